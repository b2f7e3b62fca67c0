"""What `--target-torch` changes: which rules about versions speak, and for which targets.

usage: target_torch_test.py TORCHVET
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
import zipfile

TORCHVET = str(pathlib.Path(sys.argv.pop(1)).resolve())
FIXTURES = pathlib.Path(__file__).resolve().parents[2] / "fixtures"

VERSION_10 = FIXTURES / "VER001/bad_gelu_script.pt"    # TorchScript archive of version 10
VERSION_9 = FIXTURES / "VER001/ok_powers_script.pt"
EXPORTED = FIXTURES / "VER001/bad_plain_export.pt2"    # the layout since 2.9, schema 8
SINCE_2_4 = FIXTURES / "VER002/bad_rms_norm_script.pt"  # aten::rms_norm
SINCE_2_0 = FIXTURES / "VER002/ok_attention_script.pt"  # aten::scaled_dot_product_attention


def found(path: pathlib.Path, *options: str) -> list[str]:
    """The codes of all findings about versions."""
    environment = {name: value for name, value in os.environ.items() if name != "TORCHVET_WORKER"}
    run = subprocess.run([TORCHVET, "check", path, "--json", "--allow-incomplete", *options],
                         capture_output=True, timeout=60, env=environment, check=False)
    if run.returncode not in (0, 1):
        raise AssertionError((path, options, run.returncode, run.stderr))
    codes = {finding["code"] for finding in json.loads(run.stdout)["findings"]}
    return sorted(code for code in codes if code.startswith("VER"))


def rewritten(path: pathlib.Path, folder: str, edit) -> pathlib.Path:
    """The archive with other names and contents, stored."""
    made = pathlib.Path(folder, path.name)
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(made, "w") as new:
        for name in old.namelist():
            for changed, content in edit(name, old.read(name)):
                new.writestr(changed, content)
    return made


class TargetTorch(unittest.TestCase):
    def expect(self, path: pathlib.Path, targets: dict[str, list[str]]) -> None:
        for target, codes in targets.items():
            options = ["--target-torch", target] if target else []
            self.assertEqual(found(path, *options), codes, (path.name, target))

    def test_version_of_torchscript(self):
        self.expect(VERSION_10, {"": [], "1.9": ["VER001"], "1.11": ["VER001"], "1.11.0": ["VER001"],
                                 "1.12": [], "2.1": [], "2.13": [], "9.0": []})
        self.expect(VERSION_9, {"": [], "1.11": [], "1.12": []})

    def test_layout_of_exported_programs(self):
        self.expect(EXPORTED, {"": [], "2.1": ["VER001"], "2.7": ["VER001"], "2.8": ["VER001"],
                               "2.9": [], "2.10": [], "2.13": [], "2.14": []})

    def test_first_layout_with_models(self):
        """Torch 2.8 wrote the weights of `models/model.json` as one file, without a config."""
        def edit(name: str, content: bytes) -> list:
            name = name.replace("model_weights_config.json", "model.pt")
            return [(name.replace("model_constants_config.json", "model.pt"), content)]

        with tempfile.TemporaryDirectory() as folder:
            self.expect(rewritten(EXPORTED, folder, edit), {"2.7": ["VER001"], "2.8": [], "2.13": []})

    def test_newer_schema(self):
        def edit(name: str, content: bytes) -> list:
            if not name.endswith("models/model.json"):
                return [(name, content)]
            document = json.loads(content)
            document["schema_version"]["major"] = 9
            return [(name, json.dumps(document))]

        with tempfile.TemporaryDirectory() as folder:
            self.expect(rewritten(EXPORTED, folder, edit),
                        {"": [], "2.9": ["VER001"], "2.13": ["VER001"], "2.14": []})

    def test_operators(self):
        self.expect(SINCE_2_4, {"": [], "1.13": ["VER002"], "2.3": ["VER002"], "2.3.1": ["VER002"],
                                "2.4": [], "2.10": [], "3.0": []})
        self.expect(SINCE_2_0, {"": [], "1.13": ["VER002"], "2.0": [], "2.3": []})

    def test_only_operators_that_come_later_are_named(self):
        target = ["--target-torch", "1.12", "--select", "VER002"]
        report = json.loads(subprocess.run(
            [TORCHVET, "check", SINCE_2_0, SINCE_2_4, "--json", *target], capture_output=True,
            timeout=60, check=False).stdout)
        named = sorted(evidence["text"] for finding in report["findings"]
                       for evidence in finding["evidence"])
        self.assertEqual(named, ["aten::rms_norm: since torch 2.4",
                                 "aten::scaled_dot_product_attention: since torch 2.0"])

    def test_deprecation_is_said_on_request(self):
        for options, codes in (([], []), (["--select", "VER"], []), (["--select", "ALL"], []),
                               (["--select", "VER003"], ["VER003"]),
                               (["--extend-select", "torchscript-deprecated"], ["VER003"]),
                               (["--select", "VER003", "--target-torch", "2.9"], []),
                               (["--select", "VER003", "--target-torch", "2.10"], ["VER003"])):
            self.assertEqual(found(VERSION_9, *options), codes, options)
        self.assertEqual(found(EXPORTED, "--select", "VER003"), [])


if __name__ == "__main__":
    unittest.main()
