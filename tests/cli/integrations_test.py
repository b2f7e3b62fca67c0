"""What is shipped for CI systems does what it says: action.yml, .pre-commit-hooks.yaml and the files in
integrations/ are read, and what is in them is run as far as that needs no service.

usage: integrations_test.py TORCHVET
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import types
import unittest

sys.dont_write_bytecode = True

from packages import needed  # noqa: E402
from project import CLEAN, ERROR, FIXTURES, TORCHVET, Case  # noqa: E402

yaml = needed("yaml", "pyyaml")
ROOT = pathlib.Path(__file__).resolve().parents[2]
INTEGRATIONS = ROOT / "integrations"


class Integration(Case):
    def setUp(self):
        super().setUp()
        (self.folder / "bin").mkdir()
        (self.folder / "bin/torchvet").symlink_to(TORCHVET)
        self.path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"

    def shell(self, script: str, **variables: str) -> subprocess.CompletedProcess:
        """As the services run a script: bash that ends at the first error."""
        return subprocess.run(["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", script],
                              cwd=self.project, capture_output=True, text=True, timeout=120, check=False,
                              env=self.environment(**{"PATH": self.path, **variables}))


class Action(Integration):
    def setUp(self):
        super().setUp()
        self.action = yaml.safe_load((ROOT / "action.yml").read_text())
        self.steps = self.action["runs"]["steps"]

    def run_action(self, **inputs: str) -> tuple[int, dict[str, str], str]:
        """The exit code of the last step, what the steps put out, and the summary."""
        given = {name: str(one["default"]) for name, one in self.action["inputs"].items()} | {
            name.replace("_", "-"): value for name, value in inputs.items()}
        known = {f"inputs.{name}": value for name, value in given.items()}
        known |= {"github.action_path": str(self.folder / "action"), "runner.temp": str(self.folder)}
        summary = self.folder / "summary.md"
        summary.write_text("")
        result = None
        for step in self.steps:
            output = self.folder / "output"
            output.write_text("")
            variables = {name: re.sub(r"\$\{\{ (.*?) \}\}", lambda found: known[found[1]], text)
                         for name, text in step["env"].items()}
            result = self.shell(step["run"], GITHUB_OUTPUT=str(output), GITHUB_STEP_SUMMARY=str(summary),
                                **variables)
            for line in output.read_text().splitlines():
                name, _, value = line.partition("=")
                known[f"steps.{step['id']}.outputs.{name}"] = value
            if result.returncode != 0:
                break
        self.said = result.stdout + result.stderr
        outputs = {name: known.get(one["value"][4:-3], "") for name, one in self.action["outputs"].items()}
        return result.returncode, outputs, summary.read_text()

    def test_no_input_is_text_of_a_script(self):
        self.assertEqual(self.action["runs"]["using"], "composite")
        for step in self.steps:
            self.assertEqual(step["shell"], "bash")
            self.assertNotIn("${{", step["run"])

    def test_every_input_is_read_and_every_output_is_written(self):
        text = (ROOT / "action.yml").read_text()
        for name in self.action["inputs"]:
            self.assertIn("${{ inputs.%s }}" % name, text)
        self.model("models/a.pt", CLEAN)
        _, outputs, _ = self.run_action(program="torchvet", paths="models")
        self.assertNotIn("", outputs.values())

    def test_a_clean_model_passes(self):
        self.model("models/a.pt", CLEAN)
        code, outputs, summary = self.run_action(program="torchvet", paths="models/\n")
        self.assertEqual((code, outputs["exit-code"]), (0, "0"), self.said)
        self.assertEqual(json.loads(pathlib.Path(outputs["json"]).read_text())["outcome"], "pass")
        self.assertEqual(json.loads(pathlib.Path(outputs["sarif"]).read_text())["version"], "2.1.0")
        self.assertNotEqual(summary, "")

    def test_a_finding_fails_the_job_and_is_annotated(self):
        self.model("models/bad.pt", ERROR)
        code, outputs, summary = self.run_action(program="torchvet", paths="models")
        self.assertEqual((code, outputs["exit-code"]), (1, "1"), self.said)
        self.assertIn("::error ", self.said)
        self.assertIn("REG009", summary)

    def test_options_and_odd_paths(self):
        self.model("two words/bad.pt", ERROR)
        self.model("-x.pt", CLEAN)
        code, _, _ = self.run_action(program="torchvet", fail_on="never", options="\n  --select\n  REG\n",
                                     paths="\n  two words\n  -x.pt\n\n")
        self.assertEqual(code, 0, self.said)
        code, outputs, _ = self.run_action(program="torchvet", paths="$(touch owned); `touch owned`")
        self.assertEqual((code, outputs["exit-code"]), (2, "2"), self.said)
        self.assertFalse((self.project / "owned").exists())

    def test_without_a_program_it_builds_its_own(self):
        scripts = self.folder / "action/scripts"
        scripts.mkdir(parents=True)
        for name, text in (("setup", "echo built >&2"), ("torchvet", 'exec torchvet "$@"')):
            (scripts / name).write_text(f"#!/bin/sh\n{text}\n")
            (scripts / name).chmod(0o755)
        self.model("a.pt", CLEAN)
        code, outputs, _ = self.run_action()
        self.assertEqual((code, outputs["exit-code"]), (0, "0"), self.said)


class Templates(Integration):
    def test_gitlab(self):
        [job] = [job for name, job in yaml.safe_load((INTEGRATIONS / "gitlab-ci.yml").read_text()).items()]
        self.model("models/bad.pt", ERROR)
        for paths, code in (("models/", 1), ("absent/", 2)):
            result = self.shell("\n".join(job["script"]), PATHS_TO_VET=paths)
            self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        reports = job["artifacts"]["reports"]
        self.assertEqual(job["artifacts"]["when"], "always")
        self.shell("\n".join(job["script"]), PATHS_TO_VET="models/")
        issues = json.loads((self.project / reports["codequality"]).read_text())
        self.assertEqual(issues[0]["location"]["path"], "models/bad.pt")
        self.assertIn("<testsuite", (self.project / reports["junit"]).read_text())
        self.assertTrue((self.project / job["artifacts"]["paths"][0]).is_file())
        self.model("models/bad.pt", CLEAN)
        result = self.shell("\n".join(job["script"]), **job["variables"])
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_jenkins(self):
        text = (INTEGRATIONS / "Jenkinsfile").read_text()
        code = re.sub(r"'[^'\n]*'|//[^\n]*", "", text)
        self.assertEqual(code.count("{"), code.count("}"))
        [command] = re.findall(r"sh '([^']*)'", text)
        self.model("models/bad.pt", ERROR)
        self.assertEqual(self.shell(command).returncode, 1)
        for name in re.findall(r"(?:testResults|artifacts): '([^']*)'", text):
            self.assertTrue((self.project / name).is_file(), name)

    @unittest.skipUnless(shutil.which("make"), "make is not installed")
    def test_make(self):
        shutil.copy(INTEGRATIONS / "Makefile", self.project / "Makefile")
        model = self.model("model.pt", FIXTURES / "CTR001/ok_state.pt")
        self.model("contract.json", FIXTURES / "CTR001/contract.json")
        self.model("old.pt", FIXTURES / "CTR001/ok_checkpoint.pt")
        self.assertEqual(self.shell("make vet CONTRACT=contract.json").returncode, 0)
        self.assertIn("Nothing to be done", self.shell("make vet CONTRACT=contract.json").stdout)
        self.assertEqual(self.shell("make compatible LAST=old.pt").returncode, 0)
        shutil.copy(FIXTURES / "CTR001/bad_layer_gone.pt", model)
        os.utime(model, (2e9, 2e9))
        self.assertNotEqual(self.shell("make vet CONTRACT=contract.json").returncode, 0)
        self.assertNotEqual(self.shell("make compatible LAST=old.pt").returncode, 0)

    def test_dvc(self):
        stage = yaml.safe_load((INTEGRATIONS / "dvc.yaml").read_text())["stages"]["vet"]
        self.model(stage["deps"][0], CLEAN)
        result = self.shell(stage["cmd"])
        self.assertEqual(result.returncode, 0, result.stderr)
        [metrics] = stage["metrics"]
        [name] = metrics
        first = (self.project / name).read_text()
        self.shell(stage["cmd"])
        self.assertEqual((self.project / name).read_text(), first, "it must not change by itself")
        self.model(stage["deps"][0], ERROR)
        self.assertEqual(self.shell(stage["cmd"]).returncode, 1)

    def test_mlflow(self):
        """With what the gate calls of mlflow in its place, which keeps what it is given."""
        kept: dict[str, object] = {}
        fake = types.ModuleType("mlflow")
        fake.log_artifact = lambda path: kept.update(report=json.loads(pathlib.Path(path).read_text()))
        fake.log_metrics = kept.update
        fake.set_tag = lambda name, value: kept.update({name: value})
        sys.modules["mlflow"] = fake
        self.addCleanup(sys.modules.pop, "mlflow")
        sys.path.insert(0, str(INTEGRATIONS))
        self.addCleanup(sys.path.remove, str(INTEGRATIONS))
        import mlflow_gate

        mlflow_gate.vet(str(CLEAN), "--isolated", program=TORCHVET)
        self.assertEqual((kept["torchvet"], kept["torchvet_errors"]), ("pass", 0))
        with self.assertRaisesRegex(mlflow_gate.ModelRefused, "REG009"):
            mlflow_gate.vet(str(ERROR), "--isolated", program=TORCHVET)
        self.assertEqual((kept["torchvet"], kept["torchvet_errors"]), ("fail", 1))
        self.assertEqual(kept["report"]["exit_code"], 1)
        with self.assertRaisesRegex(mlflow_gate.ModelRefused, "unknown option"):
            mlflow_gate.vet(str(CLEAN), "--frobnicate", program=TORCHVET)


class Reports(Integration):
    def test_no_report_is_called_as_a_configuration(self):
        """A torchvet.json in the project would be read as one by the next run."""
        for path in [ROOT / "README.md", ROOT / "action.yml", *INTEGRATIONS.iterdir()]:
            if path.is_file():
                self.assertNotRegex(path.read_text(), r"json=(\S*/)?torchvet\.json", path.name)


class PreCommit(Integration):
    def setUp(self):
        super().setUp()
        self.hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())

    def test_the_hooks_name_programs_that_are_there(self):
        self.assertEqual([hook["id"] for hook in self.hooks], ["torchvet", "torchvet-installed"])
        self.assertEqual(len({hook["files"] for hook in self.hooks}), 1)
        self.assertTrue(os.access(ROOT / self.hooks[0]["entry"].split()[0], os.X_OK))

    def test_which_files_they_take(self):
        pattern = re.compile(self.hooks[0]["files"])
        for name in ("a.pt", "m/a.PTH", "a.ckpt", "a.pt2", "a.safetensors", "a.pth.tar", "run/.metadata",
                     "model.safetensors.index.json", "m/pytorch_model-00001-of-00002.bin"):
            self.assertTrue(pattern.search(name), name)
        for name in ("a.py", "data.bin", "apt", "a.json", "a.metadata", "a.pt.txt", "a.index.json"):
            self.assertFalse(pattern.search(name), name)

    def test_the_installed_one_is_run_by_file(self):
        good, bad = self.model("a.pt", CLEAN), self.model("b.pt", ERROR)
        entry = self.hooks[1]["entry"]
        self.assertEqual(self.shell(f"{entry} {good.name}").returncode, 0)
        self.assertEqual(self.shell(f"{entry} {good.name} {bad.name}").returncode, 1)

    @unittest.skipUnless(shutil.which("pre-commit"), "pre-commit is not installed")
    def test_pre_commit_takes_them(self):
        git = ("git -c user.name=me -c user.email=me@example.org -c init.defaultBranch=main "
               "-c commit.gpgsign=false")
        hooks = self.folder / "hooks"
        hooks.mkdir()
        shutil.copy(ROOT / ".pre-commit-hooks.yaml", hooks)
        shutil.rmtree(self.project / ".git")
        self.shell(f"cd {hooks} && git init -q && git add . && {git} commit -qm hooks && "
                   f"cd {self.project} && git init -q")
        self.model("models/bad.pt", ERROR)
        self.model("notes.txt", ERROR)
        for expected in (1, 0):
            result = self.shell(f"git add -A . && pre-commit try-repo {hooks} torchvet-installed "
                                "--all-files --verbose", PRE_COMMIT_HOME=str(self.folder / "cache"))
            self.assertEqual(result.returncode, expected, result.stdout + result.stderr)
            self.assertEqual("REG009" in result.stdout, expected == 1)
            self.assertIn("torchvet", result.stdout)
            self.model("models/bad.pt", CLEAN)


if __name__ == "__main__":
    unittest.main()
