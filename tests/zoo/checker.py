"""Compares what torchvet says of the files of the zoo with what it must say."""

import collections
import dataclasses
import json
import pathlib
import re
import subprocess
import sys
from typing import Any

from files import chosen, file_name

# The forms that the program reads.
KINDS = ("script", "trace", "ep", "epd")

HERE = pathlib.Path(__file__).resolve().parent
FILES_A_RUN = 100
LEVELS = {"note": 0, "warning": 1, "error": 2}
MODE_CODES = {"MOD001", "MOD002"}


@dataclasses.dataclass
class File:
    what: str  # models or twins
    name: str
    mode: str
    form: str
    path: pathlib.Path
    matters: bool | None = None
    expected: str = ""  # of a twin: "REG002 error", or nothing that this form can show
    also: tuple[str, ...] = ()
    findings: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    gaps: list[str] = dataclasses.field(default_factory=list)

    @property
    def group(self) -> str:
        return "twins" if self.what == "twins" else self.mode

    def loud(self) -> list[dict[str, Any]]:
        return [found for found in self.findings if found["severity"] != "note"]


def files_of(folder: pathlib.Path, only: str, kinds: list[str]) -> list[File]:
    manifest = json.loads((folder / "manifest.json").read_text())
    found = []
    for what, entries in manifest.items():
        for name, entry in entries.items():
            if not chosen(name, only):
                continue
            for key, refused in entry["forms"].items():
                mode, form = key.split(".")
                if refused is None and form in kinds:
                    found.append(File(what, name, mode, form,
                                      folder / file_name(what, name, mode, form),
                                      entry.get("matters"), entry["expected"].get(form, ""),
                                      tuple(entry["also"])))
    return found


def look_at(program: str, files: list[File], ignore: str) -> None:
    by_path = {str(file.path): file for file in files}
    for start in range(0, len(files), FILES_A_RUN):
        paths = [str(file.path) for file in files[start:start + FILES_A_RUN]]
        run = subprocess.run([program, "check", "--json", "--isolated",
                              *(["--ignore", ignore] if ignore else []), *paths],
                             capture_output=True, text=True)
        try:
            report = json.loads(run.stdout)
        except json.JSONDecodeError:
            sys.exit(f"exit code {run.returncode} and no JSON report\n{run.stderr[-2000:]}")
        seen = set()
        for artifact in report["artifacts"]:
            seen.add(artifact["path"])
            by_path[artifact["path"]].gaps = [f"{gap['what']}: {gap['why']}"
                                              for gap in artifact["gaps"]]
        for finding in report["findings"]:
            by_path[finding["location"]["artifact"]].findings.append(finding)
        for path in set(paths) - seen:
            by_path[path].gaps.append("it is not in the report")


def rules_of(program: str, ignore: str) -> set[str]:
    out = subprocess.run([program, "rules"], capture_output=True, text=True, check=True).stdout
    return {code for code in re.findall(r"^([A-Z]{3}\d{3})\b", out, re.MULTILINE)
            if not any(code.startswith(left_out) for left_out in ignore.split(",") if left_out)}


class Expectations:
    """What tests/zoo/expected.json says of healthy nets. Each statement must come true."""

    def __init__(self, path: pathlib.Path) -> None:
        table = json.loads(path.read_text())
        self.true_statements = table["true"]
        self.unseen = table["unseen"]

    @staticmethod
    def concerns(row: dict[str, Any], file: File) -> bool:
        return (file.name in row["names"] and file.form in row["forms"]
                and file.mode in row.get("modes", ["eval", "train"]))

    def statements(self, file: File) -> list[dict[str, Any]]:
        return [row for row in self.true_statements if self.concerns(row, file)]

    def is_unseen(self, file: File) -> bool:
        return any(self.concerns(row, file) for row in self.unseen)


def text_of(finding: dict[str, Any]) -> str:
    source = finding["location"].get("source", {})
    where = f" at {pathlib.Path(source['file']).name}:{source['line']}" if source else ""
    because = "".join(f"\n      because {part['text']}" for part in finding["evidence"])
    return f"{finding['code']} {finding['severity']}: {finding['message']}{where}{because}"


def judge_healthy(file: File, expectations: Expectations) -> tuple[list[str], list[str]]:
    """What is said and should not be, and what is not said and should be."""
    said = file.loud()
    mode_errors = [found for found in said
                   if found["code"] in MODE_CODES and found["severity"] == "error"]
    rows = expectations.statements(file)
    allowed = {(row["code"], row["severity"]) for row in rows}
    wrong = [text_of(found) for found in said
             if (found["code"], found["severity"]) not in allowed
             and not (file.mode == "train" and file.matters and found in mode_errors)]
    missing = [f"{row['code']} {row['severity']}: {row['why']}" for row in rows
               if not any((found["code"], found["severity"]) == (row["code"], row["severity"])
                          for found in said)]
    if file.mode == "train" and file.matters:
        if not mode_errors and not expectations.is_unseen(file):
            missing.append("MOD001 or MOD002 error: the net behaves differently in training")
        if mode_errors and expectations.is_unseen(file):
            missing.append("expected.json says that this form cannot show the mode; it does")
    return wrong, missing


def judge_twin(file: File, rules: set[str]) -> tuple[list[str], list[str], bool]:
    if not file.expected:
        return [text_of(found) for found in file.loud()], [], False
    code, severity = file.expected.split()
    no_rule = code not in rules
    missing = []
    if not no_rule and not any(found["code"] == code
                               and LEVELS[found["severity"]] >= LEVELS[severity]
                               for found in file.findings):
        missing = [file.expected]
    return [text_of(found) for found in file.loud()
            if found["code"] != code and found["code"] not in file.also], missing, no_rule


def check(program: str, folder: pathlib.Path, only: str, kinds: list[str], ignore: str = "",
          expected: pathlib.Path = HERE / "expected.json") -> int:
    files = files_of(folder, only, kinds)
    if not files:
        print(f"no files of these kinds in {folder}: scripts/zoo make, scripts/zoo twins")
        return 2
    look_at(program, files, ignore)
    rules = rules_of(program, ignore)
    expectations = Expectations(expected)
    table: dict[tuple[str, str], collections.Counter[str]] = {}
    for file in files:
        count = table.setdefault((file.group, file.form), collections.Counter())
        if file.what == "twins":
            wrong, missing, no_rule = judge_twin(file, rules)
            count["no rule"] += no_rule
        else:
            wrong, missing = judge_healthy(file, expectations)
        count["files"] += 1
        count["errors"] += any(found["severity"] == "error" for found in file.findings)
        count["warnings"] += any(found["severity"] == "warning" for found in file.findings)
        count["false"] += bool(wrong)
        count["missed"] += bool(missing)
        count["gaps"] += bool(file.gaps)
        if wrong or missing or file.gaps:
            print(f"{file.group} {file.path.name}")
            for label, texts in (("unexpected", wrong), ("missing", missing),
                                 ("not analysed", file.gaps)):
                for text in texts:
                    print(f"   {label}: {text}")
    print_table(table)
    deviations = sum(count["false"] + count["missed"] + count["gaps"] for count in table.values())
    print(f"{len({file.name for file in files})} nets, {len(files)} files, "
          f"{deviations} deviations")
    return 1 if deviations else 0


def print_table(table: dict[tuple[str, str], collections.Counter[str]]) -> None:
    columns = ("files", "errors", "warnings", "false", "missed", "gaps", "no rule")
    print(f"\n{'':8}{'kind':8}" + "".join(f"{column:>10}" for column in columns))
    for (group, form), count in sorted(table.items(), key=lambda item: item[0]):
        print(f"{group:8}{form:8}" + "".join(f"{count[column]:>10}" for column in columns))
    print("errors, warnings: files with one; false: files with one that nothing justifies; "
          "no rule: this program has none for the bug")
