"""`torchvet drift` over series that real trainings save: four nets, three optimizers, each with every fault
and in every healthy form that trainings.py knows. A fault must be named, with its tensors, its cause and the
first checkpoint that shows it, and nothing else; a healthy run must be silent.

usage: training_test.py TORCHVET [--bed SEEDS]

--bed trains the healthy forms with more seeds, other decays of averages, and one step or twenty between two
checkpoints, and prints how many findings there are.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator

try:
    import torch
except ImportError as problem:
    print(f"skipped: this Python has no torch ({problem}): set TORCHVET_PYTHON to one that has")
    sys.exit(77)

import trainings
from nets import NETS
from trainings import FAULTS, HEALTHY, HEALTHY_NETS, KINDS, Expected, Training


def drift(program: str, folder: pathlib.Path) -> tuple[dict, list[dict]]:
    result = subprocess.run([program, "drift", "--json", folder], capture_output=True, text=True,
                            timeout=60, check=False)
    if result.returncode not in (0, 1) or result.stderr:
        raise RuntimeError(f"{folder}: exit code {result.returncode}: {result.stderr}")
    report = json.loads(result.stdout)
    return report, report["findings"]


def told(finding: dict) -> str:
    return " ".join([finding["message"], *(one["text"] for one in finding["evidence"])])


def place(finding: dict) -> tuple[str, str]:
    return finding["code"], finding["location"].get("object_path", "")


def as_line(finding: dict) -> str:
    return f"{finding['severity']} {finding['code']} {finding['location']}: {told(finding)}"


def differences(findings: list[dict], expected: list[Expected]) -> Iterator[str]:
    left = list(findings)
    for one in expected:
        match = next((f for f in left if f["code"] == one.code
                      and (not one.tensor or place(f)[1] == one.tensor)), None)
        if match is None:
            yield f"{one.code} {one.tensor} was not found"
            continue
        left.remove(match)
        checkpoint = pathlib.PurePath(match["location"]["artifact"]).name
        if match["severity"] != one.severity:
            yield f"{one.code} is a {match['severity']}, not a {one.severity}"
        if checkpoint != f"step_{one.first}.pt":
            yield f"{one.code} names {checkpoint}, not step_{one.first}.pt"
        yield from (f"{one.code} does not say '{text}': {told(match)}" for text in one.texts
                    if text not in told(match))
    yield from (f"not expected: {as_line(finding)}" for finding in left)


def healthy(kind: str, optimizer: str) -> Iterator[tuple[str, Training]]:
    for name, change in HEALTHY.items():
        training = Training(kind, optimizer)
        change(training)
        yield name, training
    for name, options in HEALTHY_NETS.items():
        yield name, Training(kind, optimizer, **options)


def check_all(program: str, folder: pathlib.Path) -> list[str]:
    problems, runs = [], 0
    for kind in NETS:
        for optimizer in KINDS:
            cases = [(name, *fault(kind, optimizer)) for name, fault in FAULTS.items()]
            cases += [(name, training, []) for name, training in healthy(kind, optimizer)]
            for name, training, expected in cases:
                where = folder / f"{kind}_{optimizer}_{name}"
                training.run(where)
                _, findings = drift(program, where)
                problems += [f"{where.name}: {text}" for text in differences(findings, expected)]
                runs += 1
    print(f"{runs} trainings, {len(problems)} problems")
    return problems


def bed(program: str, folder: pathlib.Path, seeds: int) -> list[str]:
    """Healthy runs in more forms than the test has time for."""
    forms: dict[str, tuple[Callable[[Training], None], dict[str, object]]] = {
        name: (change, {}) for name, change in HEALTHY.items()}
    for decay in (0.9, 0.999, 0.9999, 0.99999):
        forms[f"average_{decay}"] = (
            lambda one, decay=decay: trainings.average_by_hand(one, decay), {})
    for name, options in HEALTHY_NETS.items():
        forms[name] = (trainings.plain, options)
    problems, runs, averages = [], 0, 0
    for seed in range(1, seeds + 1):
        for kind in NETS:
            for optimizer in KINDS:
                for name, (change, options) in forms.items():
                    for steps in (1, 20):
                        training = Training(kind, optimizer, seed, **options)
                        change(training)
                        where = folder / f"{seed}_{kind}_{optimizer}_{name}_{steps}"
                        training.run(where, steps)
                        _, findings = drift(program, where)
                        problems += [f"{where.name}: {as_line(one)}" for one in findings]
                        runs += 1
                        averages += name.startswith("average")
    print(f"{runs} healthy trainings, {averages} of them with an average, {len(problems)} findings")
    return problems


def main() -> int:
    program = str(pathlib.Path(sys.argv[1]).resolve())
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        if sys.argv[2:3] == ["--bed"]:
            problems = bed(program, pathlib.Path(folder), int(sys.argv[3]))
        else:
            problems = check_all(program, pathlib.Path(folder))
    print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
