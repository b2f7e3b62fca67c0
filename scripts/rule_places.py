"""Where the pieces of a rule lie. rules/registry.def is the only list of rules; a rule's code finds
everything else. Read by new_rule, update_golden and check_tree.
"""

import dataclasses
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent
REGISTRY = "rules/registry.def"

# What lies beside the rules' folders and is none: by name, whether there is a golden output of it.
NOT_RULES = {
    "demo": True,      # what the README shows
    "readers": False,  # the readers' own test files
}

# A rule about a series: each sub-folder of its fixtures is one training run, for `torchvet drift`.
SERIES_FAMILY = "DRF"

RULE_LINE = re.compile(r"^RULE\(([A-Z]{3}\d{3}), ([a-z0-9_]+)\)$")
# A code that was given up is never used again: `// retired: ABC123`.
RETIRED = re.compile(r"^//\s*retired:\s*(.*)$")
CODE = re.compile(r"\b[A-Z]{3}\d{3}\b")


@dataclasses.dataclass(frozen=True, order=True)
class Rule:
    code: str
    name: str  # with underscores

    @property
    def family(self) -> str:
        return self.code[:3]

    @property
    def source(self) -> str:
        return f"rules/{self.family.lower()}/{self.code}_{self.name}.cpp"

    @property
    def fixtures(self) -> str:
        return f"fixtures/{self.code}"

    @property
    def golden(self) -> str:
        return f"tests/golden/{self.code}.txt"


def registry_lines(root: pathlib.Path = ROOT) -> list[str]:
    return (root / REGISTRY).read_text(encoding="utf-8").splitlines()


def rules_of(lines: list[str]) -> list[Rule]:
    """The rules in the order in which they stand."""
    return [Rule(found[1], found[2]) for line in lines if (found := RULE_LINE.match(line))]


def retired_codes(lines: list[str]) -> set[str]:
    return {code for line in lines if (found := RETIRED.match(line)) for code in CODE.findall(found[1])}


def is_series(code: str) -> bool:
    return code.startswith(SERIES_FAMILY)


def is_by_hand(name: str) -> bool:
    """Whether an entry of a fixture folder is written by a person, and so no fixture."""
    return name.endswith(".py") or name in ("README.md", "contract.json", "__pycache__")
