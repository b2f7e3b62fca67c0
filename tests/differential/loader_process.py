"""Loaders of torch in a process of their own, which is begun anew when a file kills it."""

import json
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable
from typing import Any

SECONDS = 120  # for one file; the first has to import torch as well


def serve(answer_to: Callable[[Any], Any]) -> None:
    """Reads questions, one JSON value a line, and writes what `answer_to` gives for each. A file that
    takes too long kills the process, wherever the loader is: nothing handles the alarm."""
    warnings.simplefilter("ignore")
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    for line in sys.stdin:
        signal.alarm(SECONDS)
        answer = answer_to(json.loads(line))
        signal.alarm(0)
        print(json.dumps(answer), file=answers, flush=True)


class LoaderProcess:
    """Runs `script --serve`, which calls `serve`; or a program that answers in the same way."""

    def __init__(self, script: str, program: bool = False) -> None:
        self.command = [script] if program else [sys.executable, "-B", script, "--serve"]
        self.process: subprocess.Popen | None = None

    def ask(self, question: Any, when_it_dies: Any) -> Any:
        if self.process is None:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            print(json.dumps(question), file=self.process.stdin, flush=True)
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if line:
            return json.loads(line)
        self.process.kill()
        self.process.wait()
        self.process = None
        return when_it_dies
