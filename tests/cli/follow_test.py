"""`drift --follow` beside a training that saves while it runs and is killed at random moments.

usage: follow_test.py TORCHVET
"""

import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import torch
from torch import nn

TORCHVET = str(pathlib.Path(sys.argv.pop(1)).resolve())
FIXTURES = pathlib.Path(__file__).resolve().parents[2] / "fixtures"
RUNS = 6
SAVE_EVERY = 0.1  # seconds


def train(folder: pathlib.Path, seed: int, renames: bool) -> None:
    """Trains and saves until it is killed. A save writes some 7 MB."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(64, 700), nn.BatchNorm1d(700), nn.ReLU(), nn.Linear(700, 700),
                        nn.ReLU(), nn.Linear(700, 2))
    optimizer = torch.optim.AdamW(net.parameters(), 1e-3)
    number = 0
    while True:
        begun = time.monotonic()
        while time.monotonic() - begun < SAVE_EVERY:
            number += 1
            optimizer.zero_grad()
            net(torch.randn(16, 64)).square().mean().backward()
            optimizer.step()
        state = {"model": net.state_dict(), "optimizer": optimizer.state_dict(),
                 "global_step": number}
        path = folder / f"step_{number:06d}.pt"
        if renames:
            torch.save(state, path.with_suffix(".tmp"))
            path.with_suffix(".tmp").rename(path)
        else:
            torch.save(state, path)


def watched_and_killed(folder: pathlib.Path, seed: int, renames: bool,
                       delay: float) -> subprocess.Popen:
    """The watcher of a training that was killed `delay` seconds after its fifth file appeared: most
    likely while that file was being written."""

    def wait_for(count: int) -> None:
        while len([*folder.glob("*.pt*")]) < count:
            time.sleep(0.001)

    child = os.fork()
    if child == 0:
        try:
            train(folder, seed, renames)
        finally:
            os._exit(1)
    wait_for(1)
    watcher = watch(folder, "--idle", "2.5")
    wait_for(5)
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return watcher


def can_be_loaded(path: pathlib.Path) -> bool:
    try:
        torch.load(path, weights_only=True)
    except Exception:  # noqa: BLE001: torch raises what it likes for a file that is cut off
        return False
    return True


def watch(folder: pathlib.Path, *options: str) -> subprocess.Popen:
    return subprocess.Popen([TORCHVET, "drift", "--follow", "--json", *options, folder],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


class Follow(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)

    def seen(self, report: dict) -> list[str]:
        intervals = report["series"]["intervals"]
        paths = [interval["to"] for interval in intervals]
        return sorted(pathlib.Path(path).name for path in [intervals[0]["from"], *paths])

    def test_killed_trainings(self):
        chance = random.Random(7)
        cut = 0
        for run in range(RUNS):
            folder = self.folder / str(run)
            folder.mkdir()
            watcher = watched_and_killed(folder, run, run % 4 == 3, chance.uniform(0, 0.02))
            out, err = watcher.communicate(timeout=60)
            report = json.loads(out)
            whole = sorted(path.name for path in folder.iterdir() if can_be_loaded(path))
            broken = sorted({path.name for path in folder.iterdir()} - set(whole))
            self.assertGreaterEqual(len(whole), 4)
            self.assertEqual(self.seen(report), whole, "every complete checkpoint, once")
            self.assertEqual(report["findings"], [], "a healthy training")
            self.assertNotIn(": DRF", err)
            gaps = sorted(pathlib.Path(artifact["path"]).name
                          for artifact in report["artifacts"] if artifact["gaps"])
            self.assertEqual(gaps, broken, "what was cut off is said not to be looked at")
            self.assertEqual(watcher.returncode, 3 if broken else 0)
            cut += len(broken)
        print(f"{RUNS} trainings killed, {cut} files cut off", file=sys.stderr)

    def test_a_defect_is_said_when_its_checkpoint_comes(self):
        watcher = watch(self.folder, "--idle", "2")
        for number in range(0, 500, 100):
            shutil.copy(FIXTURES / f"DRF006/bad_nan/step_{number}.pt", self.folder)
            line = watcher.stderr.readline()
            self.assertIn(f"step_{number}.pt: ", line)
            if number == 300:
                self.assertIn("DRF006", watcher.stderr.readline())
        out, err = watcher.communicate(timeout=60)
        self.assertEqual(err, "", "said once")
        self.assertEqual(watcher.returncode, 1)
        self.assertEqual([finding["code"] for finding in json.loads(out)["findings"]], ["DRF006"])

    def test_what_is_suppressed_is_not_said(self):
        accepted = self.folder / "accepted.json"
        accepted.write_text(json.dumps({"suppressions": [
            {"code": "DRF006", "artifact": "step_*.pt", "reason": "known"}]}))
        run = self.folder / "run"
        shutil.copytree(FIXTURES / "DRF006/bad_nan", run)
        watcher = watch(run, "--idle", "0.5", "--suppressions", accepted)
        out, err = watcher.communicate(timeout=60)
        self.assertNotIn("DRF006", err)
        self.assertEqual(watcher.returncode, 0)
        self.assertEqual([finding["status"] for finding in json.loads(out)["findings"]],
                         ["suppressed"])

    def test_a_path_that_is_written_again_is_another_checkpoint(self):
        watcher = watch(self.folder, "--idle", "1.5")
        for number in range(0, 400, 100):
            source = FIXTURES / f"DRF003/ok_trained/step_{number}.pt"
            shutil.copy(source, self.folder / "new")
            (self.folder / "new").rename(self.folder / "last.pt")
            self.assertIn("last.pt: ", watcher.stderr.readline())
        out, _ = watcher.communicate(timeout=60)
        self.assertEqual(len(json.loads(out)["series"]["intervals"]), 3)

    def test_ends_at_an_interrupt_with_what_was_seen(self):
        shutil.copytree(FIXTURES / "DRF006/bad_nan", self.folder, dirs_exist_ok=True)
        watcher = watch(self.folder)
        while "step_400.pt: " not in watcher.stderr.readline():
            pass
        watcher.send_signal(signal.SIGINT)
        out, _ = watcher.communicate(timeout=60)
        self.assertEqual(watcher.returncode, 130)
        self.assertEqual(len(json.loads(out)["series"]["intervals"]), 4)

    def test_what_cannot_be_watched(self):
        for arguments in (["--follow"], ["--follow", "-"], ["--follow", str(self.folder / "none")],
                          ["--idle", "1", str(self.folder)]):
            result = subprocess.run([TORCHVET, "drift", *arguments], capture_output=True, timeout=60,
                                    check=False)
            self.assertEqual(result.returncode, 2, arguments)
            self.assertNotEqual(result.stderr, b"")
        empty = subprocess.run([TORCHVET, "drift", "--follow", "--idle", "0.2", self.folder],
                               capture_output=True, timeout=60, check=False)
        self.assertEqual((empty.returncode, empty.stderr), (2, b"torchvet: no checkpoint came\n"))


if __name__ == "__main__":
    unittest.main()
