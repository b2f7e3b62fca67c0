"""Gives damaged copies of files to the real program and looks at how its process ends.

Each copy must end within the time limit with an exit code of the table: 0, 1, 2 or 3. A signal, any
other code and a report of a sanitizer fail the run. The copies are made by the `mutate` program, so
each can be made again from its name.
"""

import argparse
import pathlib
import random
import subprocess
import sys
import tempfile
import time

EXIT_CODES = {0, 1, 2, 3}
SECONDS = 20  # of a process with sanitizers on a busy machine; the strict limit is mutate's own


def damage(arguments, path: pathlib.Path, mutation: str, out: pathlib.Path) -> None:
    subprocess.run(
        [arguments.mutate, "--only", mutation, "--seed", str(arguments.seed), "--write", str(out),
         str(path)],
        check=True, stdout=subprocess.DEVNULL)


def complaint(program: str, copy: pathlib.Path) -> str:
    try:
        done = subprocess.run([program, "check", str(copy)], capture_output=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return f"did not end in {SECONDS} s"
    if done.returncode not in EXIT_CODES or b"Sanitizer" in done.stderr:
        return f"exit code {done.returncode}: {done.stderr.decode(errors='replace')[-2000:]}"
    return ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", required=True)
    parser.add_argument("--mutate", required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--copies", type=int, default=20)
    parser.add_argument("files", nargs="+", type=pathlib.Path)
    arguments = parser.parse_args()

    bad, started = 0, time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for path in arguments.files:
            choose = random.Random(f"{path.name} {arguments.seed}")
            size = path.stat().st_size
            mutations = [f"change:{i}" for i in range(arguments.copies // 2)] if size else []
            mutations += [f"cut:{choose.randrange(size + 1)}"
                          for _ in range(arguments.copies - len(mutations))]
            copy = pathlib.Path(folder) / path.name
            for mutation in mutations:
                damage(arguments, path, mutation, copy)
                problem = complaint(arguments.program, copy)
                if problem:
                    bad += 1
                    print(f"{path} {mutation} --seed {arguments.seed}: {problem}")
    count = len(arguments.files) * arguments.copies
    print(f"{count} processes in {time.monotonic() - started:.0f} s, {bad} ended badly")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
