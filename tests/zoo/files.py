"""Where a file of the zoo lies. Imported by programs that have no torch."""

import fnmatch

KINDS = ("script", "trace", "ep", "epd")
SUFFIX = {"script": ".pt", "trace": ".pt", "ep": ".pt2", "epd": ".pt2"}


def chosen(name: str, patterns: str) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns.split(","))


def file_name(what: str, name: str, mode: str, form: str) -> str:
    below = "twins/" if what == "twins" else ""
    return f"{below}{name}.{mode}.{form}{SUFFIX[form]}"
