"""Packages that a test needs, in whichever Python here has them."""

import importlib
import os
import pathlib
import shutil
import sys
import types

TRIED = "TORCHVET_TEST_TRIED"
VENV = pathlib.Path(__file__).resolve().parents[2] / "build/venv/bin/python"  # of scripts/setup --tests


def needed(module: str, package: str) -> types.ModuleType:
    """The module. Where this Python lacks it, the test starts again in one that may have it (who has a
    `python3` with torch has no build/venv, or an incomplete one); in the end it is skipped, with 77."""
    try:
        return importlib.import_module(module)
    except ImportError:
        tried = [*filter(None, os.environ.get(TRIED, "").split(os.pathsep)), sys.executable]
    for other in (str(VENV), shutil.which("python3")):
        if other and other not in tried and os.access(other, os.X_OK):
            os.execve(other, [other, *sys.orig_argv[1:]],
                      os.environ | {TRIED: os.pathsep.join([*tried, other])})
    print(f"skipped: none of {', '.join(dict.fromkeys(tried))} has the package {package}")
    sys.exit(77)
