"""Helpers of the recipes that make packages of torch.package, with the real exporter."""

import io
import pathlib
import pickle
import platform
from collections.abc import Callable, Mapping

from torch.package import PackageExporter

from fixture_tools import edit_member


def save_package(path: pathlib.Path, pickles: Mapping[tuple[str, str], object],
                 sources: Mapping[str, str] | None = None) -> None:
    """Pickles by package and resource, sources by module. The archive's folder is always `archive`, and the
    version of Python is none that exists, so that a file is the same whatever made it."""
    real = platform.python_version
    platform.python_version = lambda: "3.0.0"
    try:
        buffer = io.BytesIO()
        with PackageExporter(buffer) as exporter:
            exporter.extern(["torch.**"])
            for module, text in (sources or {}).items():
                exporter.save_source_string(module, text)
            for (package, resource), value in pickles.items():
                exporter.save_pickle(package, resource, value)
    finally:
        platform.python_version = real
    path.write_bytes(buffer.getvalue())


def reducing(function: Callable, *arguments: object) -> bytes:
    """A pickle of which the importer calls a function, with itself as the first argument."""

    class Pickler(pickle.Pickler):
        def persistent_id(self, value: object) -> object:
            return ("reduce_package", 1, function, arguments) if value is Pickler else None

    buffer = io.BytesIO()
    Pickler(buffer, protocol=3).dump({"config": Pickler})
    return buffer.getvalue()


def replace_pickle(path: pathlib.Path, name: str, content: bytes) -> None:
    edit_member(path, name, lambda _: content)


def list_extern(path: pathlib.Path, module: str) -> None:
    """One more module that the package imports from outside."""
    edit_member(path, ".data/extern_modules", lambda content: content + b"\n" + module.encode())
