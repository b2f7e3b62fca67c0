"""Names that mean something to a terminal, a CI runner, HTML, Markdown, XML or JSON, in tensors, members of
archives, pickle globals and file names: each report is parsed as its readers do, and holds the findings of
the JSON report and nothing else. JSON reports that somebody changed are refused.

usage: report_hostile_test.py TORCHVET
"""

import json
import math
import os
import re
import struct
import sys
import unittest
import xml.etree.ElementTree as ElementTree
import zipfile

sys.dont_write_bytecode = True
from findings import Findings, safetensors, stored  # noqa: E402

HOSTILE = (
    "two\nlines", "\r\n::error::pwned", "::error file=x::pwned", "  ::stop-commands::x", "a ##[error]pwned",
    "##vso[task.complete]x", "\x1b[31mred\x1b]0;title\x07", "nul\x00", "\u202egnp.exe", "\u2028\u2029\x85\x9b",
    "\ufffe\uffff\ufeff", "</script><script>alert(1)</script>", "<!-- -->", "--> ]]> <x/>", "&amp;&lt;&#10;",
    "\"'quoted'\"", "](http://evil.example) [click](1)", "\\](x)\\", "`code` ``more`` `", "| a | b |\n|---|---|",
    "# heading", "- item", "1. item", "***bold*** __b__ ~~s~~", "@everyone user@evil.example", "#1 !2 $x$ :smile:",
    "https://evil.example www.evil.example", "%0A::error::x%25", "a,b:c=d;e", "{0} {{1}}", "\t tab ", "ä€😀",
    "x" * 1_000_000)
# What Markdown text may hold after escaping: nothing that means something, but for escapes, entities, <code>.
MARKDOWN = re.compile(r"(?:</?code>|&#\d+;|\\[\\`*_{}\[\]()#+!|~$^=.]|[^\\`*_{}\[\]()#+!|~$^=<>&\x00-\x1f])*")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
COMMAND = re.compile(r"::(error|warning|notice) ((?:[a-z]+=[^:,\r\n]*,?)+)::([^\r\n]*)")


def nan_matrices(names: list[str]) -> bytes:
    return safetensors({name: ("F32", [2, 2], math.nan) for name in names})


def moving(names: list[str]) -> list[str]:
    return [f"moving.{i}.weight" for i in range(3 * len(names))]


def series(names: list[str], step: int) -> bytes:
    """A checkpoint with matrices that stand still, under these names, and more that move."""
    shape = {"dtype": "F32", "shape": [2, 2]}
    header = {name: shape | {"data_offsets": [16 * i, 16 * i + 16]}
              for i, name in enumerate([*names, *moving(names)])}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    values = struct.pack("<4f", 1, 2, 3, 4) * len(names)
    return struct.pack("<Q", len(text)) + text + values + struct.pack("<4f", step, 2, 3, 4) * len(moving(names))


def call_of(module: str, name: str) -> bytes:
    """A pickle that calls a global of any name. Nothing here ever loads it."""
    def text(value: str) -> bytes:
        raw = value.encode()
        return b"X" + struct.pack("<I", len(raw)) + raw
    return b"\x80\x04" + text(module) + text(name) + b"\x93)R."


class Hostile(Findings):
    def setUp(self):
        super().setUp()
        self.folder_of("hostile")
        (self.project / "hostile/names.safetensors").write_bytes(nan_matrices(
            [f"layer.{i}.{name}.weight" for i, name in enumerate(HOSTILE)] + list(HOSTILE)))
        for i, name in enumerate(HOSTILE):
            (self.project / f"hostile/global{i}.pkl").write_bytes(call_of(name, "system"))
            (self.project / f"hostile/member{i}.pkl").write_bytes(call_of("os", name))
        with zipfile.ZipFile(self.project / "hostile/members.pt", "w") as archive:
            archive.writestr("archive/data.pkl", call_of("os", "system"))
            archive.writestr("archive/version", "3\n")
            for name in HOSTILE[:-1]:
                archive.writestr("archive/data/" + name, "some bytes")
        raw = bytearray((self.project / "hostile/members.pt").read_bytes())
        raw = raw.replace(b"some bytes", b"SOME bytes")  # the checksums do not fit any more
        (self.project / "hostile/members.pt").write_bytes(raw)
        for name in (b"\xff\xfe.pkl", b"a\n::error::x.pkl", b"\x1b[31m.pkl", b"<b>`|`]]>&amp;@x.pkl",
                     b"%41 [a](b) {0} \\ \".pkl", "ä€😀.pkl".encode()):
            path = os.path.join(os.fsencode(self.project), b"hostile", name)
            with open(path, "wb") as file:
                file.write(call_of("os", "system"))

    def folder_of(self, name: str) -> None:
        (self.project / name).mkdir()

    def setup_reports(self, *options: str) -> tuple[dict[str, bytes], dict]:
        reports = self.written(1, "check", "hostile", "--digest", "--reproducible", "-v", *options)
        return reports, json.loads(reports["json"])

    def test_every_format(self):
        reports, report = self.setup_reports()
        self.assertGreater(len(report["findings"]), 2 * len(HOSTILE))
        said = json.dumps(report["findings"], ensure_ascii=False)
        for name in ("pwned", "evil.example", "😀", "alert(1)"):
            self.assertIn(name, said)
        for name, content in reports.items():
            with self.subTest(format=name):
                content.decode()
                if hasattr(self, f"read_{name}"):
                    getattr(self, f"read_{name}")(content.decode(), report)

    def test_a_series(self):
        self.folder_of("series")
        names = [f"{name}.weight" for name in HOSTILE]
        for step in range(1, 6):
            (self.project / f"series/```{step}<x>.safetensors").write_bytes(series(names, step))
        reports = self.written(0, "drift", "series", "--reproducible", "-v")
        report = json.loads(reports["json"])
        self.assertEqual({track["name"] for track in report["series"]["tensors"]},
                         {*names, *moving(names)})
        self.assertGreaterEqual(len(report["findings"]), 1)
        for name, content in self.convert(reports["json"], "-v").items():
            with self.subTest(format=name):
                self.assertEqual(stored(name, content), stored(name, reports[name]))
        table = re.search(r"(?s)<pre>\n(.*?)</pre>\n", reports["markdown"].decode())
        self.assertIn("```1&#60;x&#62;", table[1])
        self.assertNotRegex(table[1], "[<>]")
        text = reports["text"].decode()
        self.assertIsNone(CONTROL.search(text))
        self.assertNotRegex(text, r"(?m)^\s*::|##")
        for name in ("jsonl", "sarif", "gitlab", "junit"):
            getattr(self, f"read_{name}")(reports[name].decode(), report)

    def test_two_files(self):
        """Names that are gone, that are new, that were renamed, and whose shapes differ."""
        self.folder_of("pair")
        old, new = "pair/<b>|`old`.safetensors", "pair/::error::\n@new.safetensors"
        kept = {f"kept.{name}": ("F32", [2], 1.0) for name in HOSTILE}
        gone = {name: ("F32", [1, 3 + i], i) for i, name in enumerate(HOSTILE)}
        come = {f"{name}.now": ("F32", [1, 3 + i], i) for i, name in enumerate(HOSTILE)}
        self.file(old, safetensors(kept | gone))
        self.file(new, safetensors({name: ("F32", [3], 1.0) for name in kept} | come))
        reports = self.written(1, "diff", new, "--against", old, "--reproducible", "-v")
        report = json.loads(reports["json"])
        self.assertEqual({change["name"] for change in report["diff"]["changes"]}, {*kept, *gone, *come})
        self.assertEqual(sum(change["renamed"] != "" for change in report["diff"]["changes"]), 2 * len(gone))
        for name, content in self.convert(reports["json"], "-v").items():
            with self.subTest(format=name):
                self.assertEqual(stored(name, content), stored(name, reports[name]))
        rows = re.findall(r"(?m)^\| (breaking|unknown|compatible) \|(.*)\|$", reports["markdown"].decode())
        left_out = int((re.search(r"(?m)^and (\d+) more$", reports["markdown"].decode()) or [0, 0])[1])
        self.assertEqual(len(rows) + left_out, len(report["diff"]["changes"]))
        self.assertGreater(len(rows), 2 * len(HOSTILE))
        for _, row in rows:
            self.assertEqual(len(re.findall(r"(?<!\\)\|", row)), 3, row)
            for cell in re.split(r"(?<!\\)\|", row):
                self.assertTrue(MARKDOWN.fullmatch(cell), cell[:300])
        text = reports["text"].decode()
        self.assertIsNone(CONTROL.search(text))
        self.assertNotRegex(text, r"(?m)^\s*::|##")
        page = reports["html"].decode()
        changes = re.search(r'(?s)<section id="diff".*?</section>', page)[0]
        self.assertEqual(set(re.findall(r"</?([^\s>]*)", changes)),
                         {"section", "h2", "p", "code", "span", "div", "table", "thead", "tbody", "tr", "th", "td"})
        self.assertEqual(changes.count("<tr>"), 1 + len(report["diff"]["changes"]))
        for name in ("jsonl", "sarif", "gitlab", "junit"):
            getattr(self, f"read_{name}")(reports[name].decode(), report)

    def test_a_converted_report_is_the_same(self):
        reports, _ = self.setup_reports()
        converted = self.convert(reports["json"], "-v")
        for name, content in reports.items():
            with self.subTest(format=name):
                self.assertEqual(stored(name, content), stored(name, converted[name]))

    def read_text(self, text: str, report: dict) -> None:
        self.assertIsNone(CONTROL.search(text))
        heads = [line for line in text.split("\n") if re.match(r"hostile/.*: [A-Z]{3}\d{3} \w+: ", line)]
        self.assertEqual(len(heads), len(report["findings"]))
        for line in text.split("\n"):
            self.assertNotRegex(line, r"^\s*::|##")
            self.assertLess(len(line.encode()), 20_000)
            self.assertRegex(line, r"^(hostile/|  (at  |because|why |do  |ok  |sure|id  ) |rules:|graphs read|"
                                   r"unseen in |\d+ |$)")

    def read_concise(self, text: str, report: dict) -> None:
        self.assertIsNone(CONTROL.search(text))
        gaps = sum(len(artifact["gaps"]) for artifact in report["artifacts"])
        self.assertEqual(len(text.rstrip("\n").split("\n")), len(report["findings"]) + gaps)

    def read_jsonl(self, text: str, report: dict) -> None:
        lines = [json.loads(line) for line in text.removesuffix("\n").split("\n")]
        self.assertEqual((lines[0]["type"], lines[-1]["type"]), ("run", "summary"))
        for kind in ("finding", "artifact", "rule"):
            self.assertEqual([{key: value for key, value in line.items() if key != "type"}
                              for line in lines if line["type"] == kind], report[f"{kind}s"])

    def read_sarif(self, text: str, report: dict) -> None:
        run = json.loads(text)["runs"][0]
        self.assertEqual(
            sorted((result["ruleId"], result["level"],
                    result["partialFingerprints"]["primaryLocationLineHash"]) for result in run["results"]),
            sorted((f["code"], f["severity"], f["fingerprint"]) for f in report["findings"]))
        for result in run["results"]:
            message = result["message"]["text"]
            self.assertNotRegex(message, r"(?<!\\)(?:\\\\)*[\[\]]")
            self.assertIsNone(CONTROL.search(message))
            self.assertRegex(result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
                             r"\A(?:[A-Za-z0-9._~/-]|%[0-9A-F]{2})+\Z")
        self.assertLess(len(text), 20_000_000)

    def read_gitlab(self, text: str, report: dict) -> None:
        issues = json.loads(text)
        gaps = sum(len(artifact["gaps"]) for artifact in report["artifacts"])
        self.assertEqual([(issue["fingerprint"], issue["check_name"].split()[0])
                          for issue in issues[:len(issues) - gaps]],
                         [(f["fingerprint"], f["code"]) for f in report["findings"]])

    def read_github(self, text: str, report: dict) -> None:
        self.assertIsNone(CONTROL.search(text))
        lines = text.removesuffix("\n").split("\n")
        commands = [COMMAND.fullmatch(line) for line in lines[:-1]]
        self.assertNotIn(None, commands)
        self.assertRegex(lines[-1], r"^\d+ errors?.*: FAILED$")
        self.assertNotRegex(text, "##")
        levels = [command[1] for command in commands]
        counts = report["summary"]
        gaps = sum(len(artifact["gaps"]) for artifact in report["artifacts"])
        for level, count in (("error", counts["error"]), ("warning", counts["warning"] + gaps),
                             ("notice", counts["note"])):
            self.assertEqual(levels.count(level), min(count, 10), level)
            if count > 10:
                last = [command[3] for command in commands if command[1] == level][-1]
                self.assertTrue(last.startswith(f"{count - 9} more"), last)
        self.assertEqual(levels, sorted(levels, key=["error", "warning", "notice"].index))

    def read_markdown(self, text: str, report: dict) -> None:
        self.assertLess(len(text.encode()), 1_000_000)
        self.assertIsNone(CONTROL.search(text))
        items = 0
        for line in text.split("\n"):
            if match := re.fullmatch(r"- (<code>.*?</code>): (.*)", line):
                self.assertRegex(match[1], rf"\A{MARKDOWN.pattern}\Z")
                rest = re.sub(r"^([A-Z]{3}\d{3} \w+) \(([a-z0-9-]+)\)", "", match[2])
                items += rest != match[2]
            elif match := re.fullmatch(r"  - (at|because|why|do|accepted|sure): (.*)", line):
                rest = re.sub(r" \(\d+ times; the first is shown\)$", "", match[2])
            elif re.fullmatch(r"## torchvet: \w+|### [A-Z][a-z ]+|\d+ more, for which there is no room here\.|",
                              line):
                continue
            else:
                rest = line  # the summary
            self.assertTrue(MARKDOWN.fullmatch(rest), line[:300])
        left_out = int((re.search(r"(?m)^(\d+) more", text) or [0, 0])[1])
        gaps = sum(len(artifact["gaps"]) for artifact in report["artifacts"])
        self.assertIn(items, range(len(report["findings"]) - left_out, len(report["findings"]) + 1))
        if not left_out:
            self.assertEqual(items, len(report["findings"]))
        self.assertLessEqual(left_out, len(report["findings"]) + gaps)

    def read_junit(self, text: str, report: dict) -> None:
        root = ElementTree.fromstring(text)  # refuses what is no XML
        self.assertIsNone(CONTROL.search(text))
        self.assertEqual(len(root), len(report["artifacts"]))
        failed = [(position, case.get("name").split()[0]) for position, suite in enumerate(root)
                  for case in suite if case.find("failure") is not None]
        places = {artifact["path"]: i for i, artifact in enumerate(report["artifacts"])}
        self.assertEqual(set(failed), {(places[f["location"]["artifact"]], f["code"])
                                       for f in report["findings"] if f["severity"] == "error"})


class Changed(Findings):
    """JSON reports that torchvet did not write."""

    def refused_text(self, text: bytes) -> str:
        (self.project / "changed.json").write_bytes(text)
        said = self.refused("convert", "changed.json", "--report", "text=out.txt")
        self.assertFalse((self.project / "out.txt").exists())
        return said

    def test_what_is_no_report(self):
        for text, said in (
                (b"", "no JSON report"), (b"{", "no JSON report"), (b"[]", "schema_version is missing"),
                (b"{}", "schema_version is missing"), (b"\xff", "no JSON report"),
                (b'{"schema_version": 1}', "schema_version is missing"),
                (b'{"schema_version": "2.0"}', "schema_version `2.0`: this torchvet reads 1."),
                (b'{"schema_version": "1.99"}', "schema_version `1.99`: this torchvet reads 1."),
                (b'{"schema_version": "1.0"}', "it is missing"),
                (b'{"schema_version": "1.1x"}', "schema_version `1.1x`"),
                (b'{"schema_version": "1.0", "schema_version": "1.0"}', "stands twice"),
                (b"[" * 1_000_000, "no JSON report"), (b'{"a":' * 5000 + b"1" + b"}" * 5000, "no JSON report"),
                (b'{"schema_version": "1\\n::error::x"}', r"`1\n::error::x`")):
            self.assertIn(said, self.refused_text(text))

    def test_a_limit_on_its_size(self):
        report = self.check()["json"]
        self.assertEqual(len(self.convert(report)["text"]) > 0, True)
        said = self.refused("convert", "stored.json", "--limit", "json-bytes=1000")
        self.assertIn("more than 1000", said)

    def test_what_does_not_agree_with_itself(self):
        def change(report, *path, to):
            for key in path[:-1]:
                report = report[key]
            report[path[-1]] = to

        check, drift = json.loads(self.check()["json"]), json.loads(self.drift()["json"])
        for source, path, value, said in (
                (check, ("summary", "error"), 0, "summary.error: it says 0"),
                (check, ("outcome",), "pass", "outcome: it says pass"),
                (check, ("exit_code",), 0, "exit_code: 0 is not that"),
                (check, ("findings",), [], "summary.error: it says"),
                (check, ("findings", 0, "code"), "ABC123", "findings[0]: ABC123 is none of the rules"),
                (check, ("findings", 0, "name"), "another", "has another name"),
                (check, ("findings", 0, "location", "artifact"), "x", "it is none of the artifacts"),
                (check, ("artifacts",), [], "it is none of the artifacts"),
                (check, ("rules",), [], "is none of the rules"),
                (check, ("rules", 1), check["rules"][0], "stands twice"),
                (drift, ("series", "tensors", 0, "relative_update"), [], "it has not 4 items"),
                (drift, ("series", "intervals", 0, "moved"), 10**6, "do not add up"),
                (drift, ("series", "tensors", 0, "infinite_in"), [4], "no such interval"),
                (drift, ("series", "tensors", 0, "marked_in"), 4, "no interval"),
                (drift, ("series", "intervals"), [], "it has not 0 items")):
            report = json.loads(json.dumps(source))
            change(report, *path, to=value)
            self.assertIn(said, self.refused_text(json.dumps(report).encode()), path)

    def test_it_does_not_choose_two_numbers_at_once(self):
        """A short file must not ask for a billion test cases."""
        report = json.loads(self.check()["json"])
        report["artifacts"] += [dict(report["artifacts"][0], path=f"{i}") for i in range(12_000)]
        report["summary"]["artifacts"] = len(report["artifacts"])
        report["rules"] += [dict(report["rules"][0], code=f"{a}{b}Z{i:03}")
                            for a in "XYZ" for b in "XYZ" for i in range(1000)]
        self.assertIn("rules: more than", self.refused_text(json.dumps(report).encode()))

    def test_hostile_texts_in_it(self):
        """Its texts are no more trusted than those of an artifact."""
        report = json.loads(self.check()["json"])
        for artifact in report["artifacts"]:
            artifact["form"] = "\x1b[31m\n::error::x"
            artifact["unseen"] = [{"code": "REG009", "what": "\n##[error]x"}]
        report["tool"]["libtorch"] = report["run"]["argv"][0] = "\n::error::<x>\x1b"
        for name, content in self.convert(report, "-v").items():
            if name in ("json", "jsonl", "sarif"):  # JSON escapes what it holds
                continue
            with self.subTest(format=name):
                self.assertNotRegex(content.decode(), r"\x1b|(?m:^\s*::error::x)|##\[")
                if name in ("markdown", "junit", "html"):
                    self.assertNotIn("<x>", content.decode())

    def test_it_is_read_from_standard_input(self):
        import subprocess
        from project import TORCHVET
        stored = self.check()["json"]
        result = subprocess.run([TORCHVET, "convert", "-", "--json"], input=stored, capture_output=True,
                                cwd=self.project, timeout=60, check=False, env=self.environment())
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, stored, b""))

    def test_usage(self):
        for arguments, said in ((("convert",), "convert takes one report"),
                                (("convert", "a.json", "b.json"), "convert takes one report"),
                                (("convert", "none.json"), "none.json: "),
                                (("convert", "models"), "models: "),
                                (("convert", "stored.json", "--report", "jnit"), "did you mean junit?")):
            self.assertIn(said, self.refused(*arguments))


class Written(Findings):
    """Reports that cannot be written."""

    def test_two_reports_in_one_file(self):
        said = self.refused("check", "models", "--report", "json=one", "--report", "sarif=one")
        self.assertIn("two reports would be written to one", said)
        self.assertFalse((self.project / "one").exists())

    def test_a_report_that_cannot_be_written_is_an_error_and_the_others_are_written(self):
        self.check()
        for verb in (("check", "models"), ("convert", "report.json"), ("drift", "run")):
            for name in ("json", "sarif", "junit"):
                result = self.run_program(*verb, "--report", f"{name}=none/x", "--report", "markdown=good.md")
                self.assertEqual(result.returncode, 2)
                self.assertIn("torchvet: cannot write none/x: ", result.stderr)
                self.assertIn("## torchvet: ", (self.project / "good.md").read_text())
                (self.project / "good.md").unlink()
            result = self.run_program(*verb, "--report", "github=/dev/full")
            self.assertEqual(result.returncode, 2)
            self.assertIn("cannot write /dev/full", result.stderr)


if __name__ == "__main__":
    unittest.main()
