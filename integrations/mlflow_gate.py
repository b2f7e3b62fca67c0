"""A gate before `mlflow.register_model`: vets the model's file, keeps the report with the run, and raises
when something is wrong, so that what is not sound is not registered.

    from mlflow_gate import vet
    with mlflow.start_run():
        mlflow.log_artifact("model.pt")
        vet("model.pt", "--fail-on", "warning")
        mlflow.register_model(...)
"""

import json
import pathlib
import subprocess
import tempfile

import mlflow


class ModelRefused(RuntimeError):
    """torchvet found something, or could not look at everything."""


def vet(path: str, *options: str, program: str = "torchvet") -> dict:
    """The JSON report of `torchvet check path`, which is logged to the active run."""
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder, "torchvet.json")
        run = subprocess.run([program, "check", path, *options, "--report", "text", "--report",
                              f"json={report}"], capture_output=True, text=True, check=False)
        if not report.is_file():
            raise ModelRefused(run.stderr)
        mlflow.log_artifact(str(report))
        found = json.loads(report.read_text())
    mlflow.log_metrics({f"torchvet_{kind}s": found["summary"][kind]
                        for kind in ("error", "warning", "note")})
    mlflow.set_tag("torchvet", found["outcome"])
    if run.returncode != 0:
        raise ModelRefused(run.stdout)
    return found
