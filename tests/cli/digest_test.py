"""`--digest`: the sha256 of each file in the JSON report, and a changed byte of a weight.

usage: digest_test.py TORCHVET
"""

import hashlib
import json
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest
import zipfile

TORCHVET = str(pathlib.Path(sys.argv.pop(1)).resolve())
CLEAN = pathlib.Path(__file__).resolve().parents[2] / "fixtures/PKL004/ok_state_dict.pt"


def report(path: pathlib.Path, *flags: str) -> dict:
    run = subprocess.run([TORCHVET, "check", "--json", *flags, str(path)], capture_output=True,
                         timeout=60, check=False)
    return json.loads(run.stdout)


def codes(path: pathlib.Path, *flags: str) -> set[str]:
    return {finding["code"] for finding in report(path, *flags)["findings"]}


class Digest(unittest.TestCase):
    def test_sha256_of_the_file(self):
        self.assertNotIn("sha256", report(CLEAN)["artifacts"][0])
        self.assertEqual(report(CLEAN, "--digest")["artifacts"][0]["sha256"],
                         hashlib.sha256(CLEAN.read_bytes()).hexdigest())

    def test_a_changed_weight_is_found_with_it_alone(self):
        content = bytearray(CLEAN.read_bytes())
        with zipfile.ZipFile(CLEAN) as archive:
            record = next(info for info in archive.infolist() if info.filename.endswith("data/0"))
        names, extras = struct.unpack_from("<HH", content, record.header_offset + 26)
        content[record.header_offset + 30 + names + extras] ^= 1
        with tempfile.TemporaryDirectory() as folder:
            damaged = pathlib.Path(folder, "damaged.pt")
            damaged.write_bytes(content)
            self.assertNotIn("FMT004", codes(damaged))
            self.assertIn("FMT004", codes(damaged, "--digest"))


if __name__ == "__main__":
    unittest.main()
