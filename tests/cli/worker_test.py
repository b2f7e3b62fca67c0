#!/usr/bin/env python3
"""A check without its graph worker, or with a broken one, is incomplete, never green.

usage: worker_test.py TORCHVET
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest
import zipfile

TORCHVET = sys.argv.pop(1)

CODE = """class Net(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  def forward(self: __torch__.Net,
    x: Tensor) -> Tensor:
    return torch.relu(x)
"""
# Net() with training = False, as torch.jit.save pickles it.
DATA = b"\x80\x02c__torch__\nNet\nq\x00)\x81}X\x08\x00\x00\x00training\x89sb."


class Worker(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.model = pathlib.Path(self.folder.name, "net.pt")
        with zipfile.ZipFile(self.model, "w") as archive:
            archive.writestr("net/data.pkl", DATA)
            archive.writestr("net/code/__torch__.py", CODE)
            archive.writestr("net/constants.pkl", b"\x80\x02).")
            archive.writestr("net/version", "3\n")

    def script(self, body):
        path = pathlib.Path(self.folder.name, "worker")
        path.write_text("#!/bin/sh\n" + body + "\n")
        path.chmod(0o700)
        return str(path)

    def check(self, worker, *flags):
        environment = dict(os.environ)
        environment.pop("TORCHVET_WORKER", None)
        if worker:
            environment["TORCHVET_WORKER"] = worker
        return subprocess.run([TORCHVET, "check", "--select", "REG002", *flags, str(self.model)],
                              capture_output=True, text=True, env=environment, timeout=60)

    def expect_incomplete(self, result, why):
        self.assertEqual(result.returncode, 3, result.stdout + result.stderr)
        self.assertIn(why, result.stdout)
        self.assertNotIn("passed", result.stdout)

    def test_absent(self):
        self.expect_incomplete(self.check("/nonexistent/torchvet-graph"), "not installed")

    def test_crash(self):
        self.expect_incomplete(self.check(self.script("kill -SEGV $$")), "signal 11")

    def test_end(self):
        self.expect_incomplete(self.check(self.script("exit 9")), "exit code 9")

    def test_hang(self):
        begin = time.monotonic()
        result = self.check(self.script("exec sleep 50"), "--limit", "worker-seconds=1")
        self.expect_incomplete(result, "longer than 1 s")
        self.assertLess(time.monotonic() - begin, 20)

    def test_nonsense(self):
        self.expect_incomplete(
            self.check(self.script("printf '\\004\\0\\0\\0\\0\\0\\0\\0abcd'; sleep 1")),
            "no CBOR map")

    @unittest.skipUnless(pathlib.Path(TORCHVET).with_name("torchvet-graph").exists(),
                         "built without the worker")
    def test_real(self):
        result = self.check(None)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)


if __name__ == "__main__":
    unittest.main()
