"""Makes the files of the zoo, in one child process that is started anew when it hangs or dies.

What was made, what torch refused and why, and whether a model depends on its mode is written into
`manifest.json` beside the files after every model.
"""

import collections
import json
import pathlib
import queue
import subprocess
import sys
import threading
from typing import Any

from files import chosen, file_name

HERE = pathlib.Path(__file__).resolve().parent
SECONDS = 60
STARTING_SECONDS = 300


class Child:
    def __init__(self, python: str, transformers: bool, log: pathlib.Path) -> None:
        self.command = [python, "-B", str(HERE / "worker.py"),
                        "transformers" if transformers else "torch"]
        self.log = log
        self.start()

    def start(self) -> None:
        with self.log.open("a") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, text=True,
                                            stdout=subprocess.PIPE, stderr=log)
        self.lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self.listen, args=(self.process, self.lines), daemon=True).start()
        self.catalogue = self.reply(STARTING_SECONDS)
        if not isinstance(self.catalogue, list):
            sys.exit(f"the maker of models does not start; see {self.log}")

    @staticmethod
    def listen(process: subprocess.Popen, lines: "queue.Queue[str | None]") -> None:
        for line in process.stdout:
            lines.put(line)
        lines.put(None)

    def reply(self, seconds: int) -> Any:
        try:
            line = self.lines.get(timeout=seconds)
        except queue.Empty:
            return {"refused": f"not done after {seconds} seconds"}
        return json.loads(line) if line else {"refused": f"torch died: {self.process.wait()}"}

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            print(json.dumps(request), file=self.process.stdin, flush=True)
            answer = self.reply(SECONDS)
        except BrokenPipeError:
            answer = {"refused": "torch died"}
        if answer.get("refused", "").startswith(("not done after", "torch died")):
            self.stop()
            self.start()
        return answer

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def make(python: str, folder: pathlib.Path, what: str, only: str, kinds: list[str],
         transformers: bool) -> dict[str, Any]:
    """The manifest: {"models": {name: {"matters": bool, "forms": {"eval.trace": null or why}}}}."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text()) if path.exists() else {"models": {}, "twins": {}}
    child = Child(python, transformers, folder / "make.log")
    models = [model for model in child.catalogue
              if model["what"] == what and chosen(model["name"], only)]
    counts: collections.Counter[str] = collections.Counter()
    for model in models:
        entry: dict[str, Any] = {"expected": model["expected"], "also": model["also"]}
        entry["forms"] = manifest[what].get(model["name"], {}).get("forms", {})
        if what == "models":
            answer = child.ask({"what": what, "name": model["name"], "matters": True})
            entry["matters"] = answer.get("matters")
            if "refused" in answer:
                print(f"  {model['name']} does not run: {answer['refused']}", flush=True)
        for mode in model["modes"]:
            for form in (form for form in model["forms"] if form in kinds):
                target = folder / file_name(what, model["name"], mode, form)
                target.parent.mkdir(exist_ok=True)
                target.unlink(missing_ok=True)
                answer = child.ask({"what": what, "name": model["name"], "mode": mode,
                                    "form": form, "path": str(target)})
                entry["forms"][f"{mode}.{form}"] = answer.get("refused")
                counts[form if answer.get("done") else "refused"] += 1
                if not answer.get("done"):
                    target.unlink(missing_ok=True)
                    print(f"  refused: {model['name']} {mode} {form}: {answer['refused']}",
                          flush=True)
        manifest[what][model["name"]] = entry
        path.write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n")
    child.stop()
    print(f"{len(models)} {what}; files: "
          + ", ".join(f"{kind} {counts[kind]}" for kind in kinds)
          + f"; torch refused {counts['refused']}")
    return manifest
