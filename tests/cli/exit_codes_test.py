"""What a shell, a pipe and a terminal see of the program: exit codes, what gates, what goes to which
stream, colours, odd names, help.

usage: exit_codes_test.py TORCHVET
"""

import json
import os
import pathlib
import pty
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

TORCHVET = str(pathlib.Path(sys.argv.pop(1)).resolve())
FIXTURES = pathlib.Path(__file__).resolve().parents[2] / "fixtures"

ERROR = FIXTURES / "REG009/bad_child.pt"           # REG009 error, PKL004 warning
WARNING = FIXTURES / "PKL004/bad_torch_only.pt"    # PKL004 warning
NOTE = FIXTURES / "REG007/bad_mostly_frozen.pt"    # REG007 note
UNSURE = FIXTURES / "REG008/bad_single.pt"         # REG008 note of medium confidence, PKL004 warning
CORRUPT = FIXTURES / "FMT001/bad_zip_cut.pt"       # FMT001 error and a gap
CLEAN = FIXTURES / "PKL004/ok_state_dict.pt"
SCRIPT = FIXTURES / "demo/clean.pt"                # TorchScript: needs the worker
UNREAD = b"\x10\0\0\0PTMF\0\0\0\0"      # a mobile model, which is known and not read yet
NO_MODEL = FIXTURES / "CTR001/bad_no_model.pt"
VERBS = ("check", "drift", "diff", "baseline", "inspect", "explain", "rules", "config", "version",
         "completions", "man", "help")
SETTINGS = ("TORCHVET_WORKER", "NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "CI", "TERM")
CONTROL = re.compile(rb"[\x00-\x09\x0b-\x1f\x7f]")


def environment(**variables: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    return kept | variables


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)

    def run_program(self, *arguments, stdin=b"", program=TORCHVET, stdout=subprocess.PIPE,
                    **variables) -> subprocess.CompletedProcess:
        return subprocess.run([program, *map(os.fspath, arguments)], input=stdin, stdout=stdout,
                              stderr=subprocess.PIPE, cwd=self.folder, timeout=60,
                              env=environment(**variables))

    def expect(self, code: int, *arguments, **options) -> str:
        """Runs the program; its standard output when it ends with `code` and says no word beside."""
        result = self.run_program(*arguments, **options)
        self.assertEqual(result.returncode, code, (arguments, result.stdout, result.stderr))
        self.assertEqual(result.stderr, b"", arguments)
        return result.stdout.decode()

    def report(self, *arguments, **options) -> dict:
        return json.loads(self.run_program("check", "--json", *arguments, **options).stdout)

    def make(self, name: str | bytes, content: bytes) -> pathlib.Path:
        path = self.folder / os.fsdecode(name)
        path.write_bytes(content)
        return path

    def script(self, body: str) -> str:
        path = self.make("worker", f"#!/bin/sh\n{body}\n".encode())
        path.chmod(0o755)
        return str(path)


class ExitCodes(Case):
    def test_0(self):
        (self.folder / "empty").mkdir()
        for arguments in (["check", CLEAN], [CLEAN], ["check", WARNING], ["check", NOTE],
                          ["check", ERROR, "--fail-on", "never"],
                          ["check", self.make("m.pt", UNREAD), "--allow-incomplete"],
                          ["check", "empty", "--allow-empty"], ["explain", "REG009"],
                          ["explain", "module-not-initialised"], ["rules"], ["version"],
                          ["--version"], ["-V"], ["completions", "bash"]):
            self.assertNotEqual(self.expect(0, *arguments), "")

    def test_1(self):
        for arguments in ([ERROR], [CORRUPT], [WARNING, "--fail-on", "warning"],
                          [NOTE, "--fail-on", "note"], [CLEAN, ERROR],
                          [ERROR, self.make("unread.pt", UNREAD)],
                          [ERROR, self.make("unread.pt", UNREAD), "--allow-incomplete"],
                          [self.make("empty.pt", b"")], [self.make("page.pt", b"<!doctype html>")]):
            self.assertIn("FAILED", self.expect(1, "check", *arguments))

    def test_2_is_said_on_standard_error_alone(self):
        (self.folder / "empty").mkdir()
        for arguments, message in (
                (["check"], "no path given"),
                (["check", "--josn", CLEAN], "unknown option --josn for `torchvet check`; "
                                             "did you mean --json?"),
                (["rules", "--select", "REG"], "unknown option --select for `torchvet rules`"),
                (["check", "--fail-on", "eror", CLEAN], "did you mean error?"),
                (["check", "--select", "REG01", CLEAN], "did you mean REG0"),
                (["check", "--ignore", "trunkated", CLEAN], "did you mean truncated?"),
                (["check", "--ignore", "ALL", "--select", "ALL", CLEAN], "leaves no rule to run"),
                (["check", "--limit", "pickle-opcode=1", CLEAN], "did you mean pickle-opcodes?"),
                (["check", "--limit", "tensors=many", CLEAN], "no whole number"),
                (["check", "--severity", "REG009", CLEAN], "not of the form"),
                (["check", "--severity", "REG009=fatal", CLEAN], "none of note, warning, error"),
                (["check", "--timeout", "soon", CLEAN], "no number of seconds"),
                (["check", "--jobs", "0", CLEAN], "no number from 1"),
                (["check", "--fail-on"], "--fail-on"),
                (["check", "--report", "jsn", CLEAN], "did you mean json?"),
                (["check", "--report", "text", "--json", CLEAN], "only one report"),
                (["check", "empty"], "no model file found"),
                (["check", FIXTURES / "REG009", "--include", "*.nothing"], "no model file found"),
                (["inspect"], "inspect prints one file"),
                (["inspect", "absent.pt"], "absent.pt: No such file or directory"),
                (["drift", CLEAN], "at least two checkpoints"),
                (["diff", CLEAN], "compare with which file? --against OLD"),
                (["diff", "--against", CLEAN], "one file is compared: `torchvet diff NEW --against OLD`"),
                (["diff", CLEAN, "--against", "-"], "standard input is for the new file"),
                (["diff", CLEAN, "--against", FIXTURES / "REG009"], "name one"),
                (["diff", CLEAN, "--against", NO_MODEL], "there is no model in it to compare with"),
                (["check", CLEAN, "--expect", "absent.json"], "absent.json: "),
                (["explain"], "which rule?"),
                (["explain", "REG01"], "no rule, family or name"),
                (["completions", "bsh"], "did you mean bash?"),
                (["help", "chek"], "did you mean check?")):
            with self.subTest(arguments=arguments):
                result = self.run_program(*arguments)
                self.assertEqual(result.returncode, 2, result.stdout)
                self.assertEqual(result.stdout, b"")
                self.assertRegex(result.stderr.decode(), r"\Atorchvet: [^\n]+\n\Z")
                self.assertIn(message, result.stderr.decode())

    def test_2_a_missing_file_hides_nothing(self):
        out = self.expect(2, "check", "absent.pt", ERROR)
        self.assertIn("absent.pt: could not be read: No such file or directory", out)
        self.assertIn("REG009 error", out)
        self.assertIn("ERROR", out)
        report = self.report("absent.pt", ERROR)
        self.assertEqual((report["outcome"], report["exit_code"]), ("error", 2))
        self.assertEqual(self.run_program("check", "absent.pt", "--fail-on", "never",
                                          "--allow-incomplete").returncode, 2)

    def test_2_a_report_that_cannot_be_written(self):
        written = self.folder / "written.json"
        for target in ("absent/report.json", "."):
            result = self.run_program("check", CLEAN, "--report", f"json={target}",
                                      "--report", f"json={written}")
            self.assertEqual(result.returncode, 2)
            self.assertIn(b"passed", result.stdout)
            self.assertRegex(result.stderr.decode(),
                             rf"\Atorchvet: cannot write {re.escape(target)}: [A-Z][^:]+\n\Z")
            self.assertEqual(json.loads(written.read_text())["outcome"], "pass")
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()), ["written.json"])
        with open("/dev/full", "wb") as full:
            result = self.run_program("check", CLEAN, stdout=full)
        self.assertEqual(result.returncode, 2)
        self.assertIn(b"cannot write to standard output: No space left on device", result.stderr)
        reader, writer = os.pipe()
        os.close(reader)
        with os.fdopen(writer, "wb") as broken:
            self.assertEqual(self.run_program("check", CLEAN, stdout=broken).returncode, 2)

    def test_3(self):
        alone = self.folder / "torchvet"
        shutil.copy(TORCHVET, alone)
        unread = self.make("unread.pt", UNREAD)
        for why, arguments, options in (
                ("not installed", [SCRIPT], {"TORCHVET_WORKER": "/nonexistent/worker"}),
                ("not installed", [SCRIPT], {"program": str(alone)}),
                ("exit code 9", [SCRIPT], {"TORCHVET_WORKER": self.script("exit 9")}),
                ("mobile-flatbuffer is recognised but cannot be read yet", [unread], {}),
                ("pickle-opcodes", [CLEAN, "--limit", "pickle-opcodes=3"], {}),
                ("--timeout", [CLEAN, "--timeout", "0"], {}),
                ("not analysed", [CORRUPT, "--fail-on", "never"], {})):
            with self.subTest(why=why):
                out = self.expect(3, "check", *arguments, **options)
                self.assertRegex(out, rf"not analysed: .*{why}" if why != "not analysed" else why)
                self.assertIn("INCOMPLETE", out)
                self.assertNotIn("passed", out)
                report = self.report(*arguments, **options)
                self.assertEqual((report["outcome"], report["exit_code"]), ("incomplete", 3))
                self.assertTrue(any(artifact["gaps"] for artifact in report["artifacts"]))
                self.expect(3, "check", "-q", *arguments, **options)

    def test_130_with_what_was_found_until_then(self):
        for name, source in (("a.pt", ERROR), ("b.pt", SCRIPT), ("c.pt", WARNING)):
            shutil.copy(source, self.folder / name)
        started = self.folder / "started"
        worker = self.script(f"touch '{started}'; exec sleep 50")
        # As Ctrl-C does, the signal goes to the whole group, so to the worker too; which must not
        # have learned from a shell in the background to ignore it.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        self.addCleanup(signal.signal, signal.SIGINT, before)
        marks = {"json": '"exit_code": 130', "jsonl": '"exit_code":130', "junit": 'message="interrupted"',
                 "sarif": '"executionSuccessful": false', "gitlab": '"not-analysed"',
                 "github": "file=c.pt,line=1,title=not analysed::file: interrupted",
                 "markdown": "## torchvet: INCOMPLETE", "html": 'class="verdict incomplete"'}
        with subprocess.Popen([TORCHVET, "check", "-j", "1", "a.pt", "b.pt", "c.pt",
                               *(f"--report={name}=report.{name}" for name in marks)], cwd=self.folder, start_new_session=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env=environment(TORCHVET_WORKER=worker)) as process:
            self.addCleanup(process.kill)
            while not started.exists() and process.poll() is None:
                time.sleep(0.01)
            os.killpg(process.pid, signal.SIGINT)
            out, err = process.communicate(timeout=30)
        self.assertEqual((process.returncode, err), (130, b""))
        self.assertIn("a.pt: REG009 error", out.decode())
        self.assertRegex(out.decode(), r"(?s)c.pt: not analysed: file: interrupted.*INCOMPLETE")
        report = json.loads((self.folder / "report.json").read_text())
        self.assertEqual((report["outcome"], report["summary"]["error"]), ("incomplete", 1))
        for name, mark in marks.items():
            self.assertIn(mark, (self.folder / f"report.{name}").read_text())

    def test_130_while_waiting_for_standard_input(self):
        with subprocess.Popen([TORCHVET, "check", "-"], cwd=self.folder, stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env=environment()) as process:
            self.addCleanup(process.kill)
            process.stdin.write(b"first bytes")
            process.stdin.flush()
            # Asleep in a read, after it has taken what there was.
            while not self.sleeps_reading(process):
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(timeout=30), 130)  # the pipe is still open
            self.assertIn(b"<stdin>: not analysed: file: interrupted", process.stdout.read())
            self.assertEqual(process.stderr.read(), b"")

    @staticmethod
    def sleeps_reading(process: subprocess.Popen) -> bool:
        import fcntl
        import termios
        left = bytearray(4)
        fcntl.ioctl(process.stdin.fileno(), termios.FIONREAD, left)
        state = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]
        return int.from_bytes(left, sys.byteorder) == 0 and state == "S"


class Options(Case):
    def codes(self, *arguments) -> list[tuple[str, str]]:
        return [(finding["code"], finding["severity"])
                for finding in self.report(*arguments)["findings"]]

    def test_select_and_ignore(self):
        both = [("REG009", "error"), ("PKL004", "warning")]
        for arguments, expected in (
                ([], both),
                (["--select", "REG"], both[:1]),
                (["--select", "PKL004"], both[1:]),
                (["--select", "whole-module-pickled"], both[1:]),
                (["--select", "PKL004,REG009"], both),
                (["--select", "PKL004", "--extend-select", "REG"], both),
                (["--ignore", "REG009"], both[1:]),
                (["--ignore", "PKL,REG"], []),
                (["--select", "REG009", "--ignore", "REG"], both[:1]),   # the narrower word wins
                (["--select", "REG", "--ignore", "REG009"], []),
                (["--select", "REG", "--ignore", "REG"], None)):
            if expected is None:
                self.assertEqual(self.run_program("check", ERROR, *arguments).returncode, 2)
            else:
                self.assertEqual(self.codes(ERROR, *arguments), expected, arguments)
        self.expect(0, "check", ERROR, "--ignore", "REG009")

    def test_severity(self):
        self.assertEqual(self.codes(ERROR, "--severity", "REG009=note"),
                         [("PKL004", "warning"), ("REG009", "note")])
        self.expect(0, "check", ERROR, "--severity", "REG009=note")
        self.expect(1, "check", WARNING, "--severity", "PKL=error")
        self.expect(0, "check", WARNING, "--severity", "PKL=error", "--severity", "PKL004=warning")

    def test_min_confidence(self):
        out = self.expect(0, "check", UNSURE, "--min-confidence", "high", "--fail-on", "warning",
                          "--severity", "PKL004=note")
        self.assertNotIn("REG008 note", out)
        self.assertIn("1 below the asked confidence", out)
        self.expect(1, "check", UNSURE, "--min-confidence", "medium", "--select", "REG008",
                    "--fail-on", "note")

    def test_show_and_quiet_change_no_exit_code(self):
        for flags in ([], ["--show", "warning"], ["--show", "error"], ["-q"], ["-v"], ["--statistics"],
                      ["--report", "concise"]):
            out = self.expect(1, "check", ERROR, *flags)
            self.assertEqual("PKL004 warning" in out, "error" not in flags, flags)
            self.expect(1, "check", WARNING, "--fail-on", "warning", *flags)
        self.assertEqual(self.codes(ERROR, "--show", "error"), self.codes(ERROR))
        self.assertIn("1 error, 1 warning", self.expect(1, "check", ERROR, "--show", "error"))
        quiet = self.expect(1, "check", ERROR, "-q").splitlines()
        self.assertEqual([line.split(": ")[1] for line in quiet], ["REG009 error", "PKL004 warning"])
        self.assertEqual(self.expect(0, "check", "-q", CLEAN), "")
        self.assertRegex(self.expect(1, "check", ERROR, "--statistics"), r"\n +1  REG009  module-not")

    def test_standard_input(self):
        out = self.expect(1, "check", "-", stdin=ERROR.read_bytes())
        self.assertIn("<stdin>: REG009 error", out)
        out = self.expect(1, "check", "-", "--stdin-name", "model.pt", stdin=ERROR.read_bytes())
        self.assertIn("model.pt: REG009 error", out)
        self.expect(0, "check", "-", stdin=CLEAN.read_bytes())
        self.assertIn("an empty file", self.expect(1, "check", "-"))

    def test_path_prefix(self):
        shutil.copy(ERROR, self.folder / "m.pt")
        self.assertIn("run7/m.pt: REG009", self.expect(1, "check", "./m.pt", "--path-prefix", "run7/"))


class Reports(Case):
    def test_json_has_what_was_promised(self):
        result = self.run_program("check", "--json", ERROR, CLEAN)
        report = json.loads(result.stdout)
        self.assertEqual(list(report), "$schema schema_version tool run outcome exit_code summary artifacts findings "
                                       "rules".split())
        self.assertEqual(report["schema_version"], "1.1")
        self.assertEqual((set(report["tool"]), report["tool"]["name"]), ({"name", "version", "libtorch"}, "torchvet"))
        self.assertLessEqual({"argv", "limits", "fail_on", "reproducible"}, set(report["run"]))
        self.assertEqual(report["run"]["argv"], [TORCHVET, "check", "--json", str(ERROR), str(CLEAN)])
        self.assertEqual((report["outcome"], report["exit_code"]), ("fail", result.returncode))
        self.assertEqual(report["summary"], {
            "error": 1, "warning": 1, "note": 0, "suppressed": 0, "baselined": 0, "artifacts": 2,
            "hidden_by_confidence": 0, "bytes": ERROR.stat().st_size + CLEAN.stat().st_size})
        for artifact in report["artifacts"]:
            self.assertLessEqual({"path", "id", "size", "format", "parameters", "gaps"}, set(artifact))
        for finding in report["findings"]:
            self.assertLessEqual({"code", "name", "severity", "confidence", "message", "help",
                                  "location", "evidence", "fingerprint", "status"}, set(finding))
            self.assertEqual(finding["location"]["artifact"], str(ERROR))
            self.assertEqual(finding["status"], "new")
        self.assertEqual(len({finding["fingerprint"] for finding in report["findings"]}), 2)
        self.assertLessEqual({"REG009", "PKL004"}, {rule["code"] for rule in report["rules"]})
        timeless = set(self.report("--reproducible", CLEAN)["run"])
        self.assertEqual(set(report["run"]) - timeless, {"started", "duration_ms"})

    def test_json_to_a_file_is_that_of_standard_output(self):
        out = self.expect(1, "check", ERROR, "--report", "json=r.json", "--color", "always")
        self.assertIn("FAILED", out)
        self.assertNotIn(b"\x1b", (self.folder / "r.json").read_bytes())
        self.expect(1, "check", ERROR, "--reproducible", "--report", "text=r.txt", "--json",
                    "--color", "always")
        self.assertNotIn(b"\x1b", (self.folder / "r.txt").read_bytes())

    def test_two_runs_and_any_number_of_threads_say_the_same(self):
        def ask(*flags: str) -> bytes:
            result = self.run_program("check", FIXTURES, "--reproducible", *flags)
            self.assertEqual(result.returncode, 1, result.stderr)
            return result.stdout

        for flags in ((), ("--json",), ("--report", "concise"), ("-v",)):
            self.assertEqual(ask(*flags), ask(*flags))
        one, eight = ask("-j", "1"), ask("-j", "8")
        self.assertGreater(len(one), 10_000)
        self.assertEqual(one, eight)
        one, eight = (json.loads(ask("--json", "-j", jobs)) for jobs in ("1", "8"))
        self.assertNotEqual(one["run"].pop("argv"), eight["run"].pop("argv"))
        self.assertEqual(one, eight)

    def test_odd_names_put_no_control_byte_into_the_output(self):
        for name in (b"a\nb.pt", b"a\x1b[31mb.pt", b"a\xff\xfeb.pt", "a\u202eb\u0085.pt".encode(),
                     b"-dash.pt", b"--json.pt", b"a\rb\tc.pt", b"::error::x.pt", b"##[error]x.pt",
                     b"a'\"b`.pt"):
            odd = self.make(name, ERROR.read_bytes())
            relative = os.fsdecode(name)
            for flags in ([], ["-q"], ["-v"], ["--report", "concise"], ["--json"]):
                for path in (relative, relative + ".absent"):
                    result = self.run_program("check", *flags, "--", path)
                    self.assertEqual(result.returncode, 2 if path.endswith("absent") else 1)
                    self.assertEqual(result.stderr, b"")
                    self.expect_tame(result.stdout)
            result = self.run_program("check", CLEAN, "--report", f"json=absent/{relative}")
            self.assertEqual(result.returncode, 2)
            self.expect_tame(result.stderr)
            result = self.run_program("explain", "--", relative)
            self.assertEqual(result.returncode, 2)
            self.expect_tame(result.stderr)
            odd.unlink()

    def expect_tame(self, output: bytes) -> None:
        self.assertNotEqual(output, b"")
        self.assertIsNone(CONTROL.search(output), output)
        text = output.decode()  # valid UTF-8
        if not text.startswith("{"):
            self.assertNotRegex(text, "[\u0080-\u009f\u200b-\u200f\u2028-\u202e]")
            self.assertNotRegex(text, r"(?m)^\s*(::|##\[)")

    def test_words_after_two_dashes_are_paths(self):
        self.make("-q", ERROR.read_bytes())
        self.make("--json", CLEAN.read_bytes())
        out = self.expect(1, "check", "--", "-q", "--json")
        self.assertIn("-q: REG009 error", out)
        self.assertIn("in 2 artifacts", out)


class Terminal(Case):
    def on_terminal(self, *arguments, stream: str = "stdout", **variables) -> bytes:
        """What the program writes to a terminal that is its standard output, or error."""
        leader, follower = pty.openpty()
        other = {"stdout": "stderr", "stderr": "stdout"}[stream]
        with subprocess.Popen([TORCHVET, *map(os.fspath, arguments)], cwd=self.folder,
                              env=environment(**variables), stdin=subprocess.DEVNULL,
                              **{stream: follower, other: subprocess.DEVNULL}) as process:
            os.close(follower)
            written = b""
            try:
                while block := os.read(leader, 1 << 16):
                    written += block
            except OSError:
                pass  # so Linux says that the other side is closed
            os.close(leader)
        return written

    def test_color(self):
        smart, dumb = {"TERM": "xterm"}, {"TERM": "dumb"}
        for flags, variables, expected in (
                ([], smart, True),
                ([], dumb, False),
                ([], {}, False),
                ([], {"TERM": ""}, False),
                ([], smart | {"NO_COLOR": "1"}, False),
                ([], smart | {"NO_COLOR": ""}, True),
                ([], smart | {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
                ([], dumb | {"FORCE_COLOR": "1"}, True),
                ([], dumb | {"CLICOLOR_FORCE": "1"}, True),
                ([], dumb | {"FORCE_COLOR": "0"}, False),
                (["--color", "auto"], smart, True),
                (["--color", "never"], smart | {"FORCE_COLOR": "1"}, False),
                (["--color", "always"], dumb | {"NO_COLOR": "1"}, True)):
            for verb in (["check", ERROR], ["explain", "REG009"], ["rules"]):
                written = self.on_terminal(*verb, *flags, **variables)
                self.assertEqual(b"\x1b[" in written, expected, (verb, flags, variables))

    def test_color_in_a_pipe(self):
        for flags, variables, expected in (
                ([], {"TERM": "xterm"}, False),
                ([], {"FORCE_COLOR": "1"}, True),
                ([], {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
                (["--color", "always"], {}, True)):
            out = self.expect(1, "check", ERROR, *flags, **variables)
            self.assertEqual("\x1b[" in out, expected, (flags, variables))
        colored = self.expect(1, "check", ERROR, "--color", "always", "--reproducible")
        self.assertEqual(re.sub(r"\x1b\[[\d;]*m", "", colored),
                         self.expect(1, "check", ERROR, "--reproducible"))
        json.loads(self.expect(1, "check", "--json", ERROR, "--color", "always"))

    def test_progress_is_for_people_who_wait(self):
        def progress(*flags: str, **variables) -> bytes:
            return self.on_terminal("check", SCRIPT, "--limit", "worker-seconds=1", *flags,
                                    stream="stderr", TORCHVET_WORKER=worker, **variables)

        worker = self.script("exec sleep 50")
        shown = progress(TERM="xterm")
        self.assertIn(b"0/1 files", shown)
        self.assertTrue(shown.endswith(b"\r\x1b[K"), shown)  # and wiped away
        self.assertEqual(progress(TERM="xterm", CI="true"), b"")
        self.assertEqual(progress(TERM="dumb"), b"")
        self.assertEqual(progress("--progress", "never", TERM="xterm"), b"")
        self.assertEqual(self.on_terminal("check", CLEAN, stream="stderr", TERM="xterm"), b"")


class Help(Case):
    def test_the_program(self):
        text = self.expect(0, "--help")
        for arguments in (["-h"], ["help"], ["help", "help"], ["help", "--help"]):
            self.assertEqual(self.expect(0, *arguments), text)
        self.assertTrue(text.startswith("usage: torchvet COMMAND"))
        for verb in VERBS:
            self.assertRegex(text, rf"(?m)^  {verb}\b")

    def test_every_verb(self):
        for verb in VERBS[:-1]:
            text = self.expect(0, verb, "--help")
            self.assertEqual(self.expect(0, verb, "-h"), text)
            self.assertEqual(self.expect(0, "help", verb), text)
            self.assertRegex(text, rf"\Ausage: torchvet {verb}\b")
            self.assertLessEqual(max(map(len, text.splitlines())), 100)
            self.assertEqual("Exit codes:" in text, verb in ("check", "drift", "diff"))
            described = set(re.findall(r"(?m)^  (?:-\w, )?(--[a-z-]+)", text))
            completed = re.search(rf'(?m)^ +{verb}\) flags="([^"]*)"',
                                  self.expect(0, "completions", "bash"))
            self.assertEqual(described, {w for w in completed[1].split() if w.startswith("--")})
            self.assertIn("--help", described)

    def test_completions_and_version(self):
        for shell, command in (("bash", "complete "), ("zsh", "#compdef"), ("fish", "complete ")):
            self.assertIn(f"{command}", self.expect(0, "completions", shell))
        version = json.loads(self.expect(0, "version", "--json"))
        self.assertEqual(self.expect(0, "--version"), f"torchvet {version['version']}\n")
        self.assertEqual(version["rules"], len(json.loads(self.expect(0, "rules", "--json"))))

    def test_every_rule_has_its_page(self):
        for rule in json.loads(self.expect(0, "rules", "--format", "json")):
            page = self.expect(0, "explain", rule["code"])
            self.assertTrue(page.startswith(f"{rule['code']} {rule['name']}\n"), page[:80])
            self.assertIn("## What to do", page)


if __name__ == "__main__":
    unittest.main()
