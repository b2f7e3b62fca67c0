"""Makes models for as long as it is asked: a line of JSON in, a line of JSON out.

    {"what": "models", "name": "resnet", "mode": "eval", "form": "trace", "path": "..."}

Answers {"done": true}, {"refused": "why"}, or for {"matters": name} {"matters": bool}. What torch
prints goes to standard error.
"""

import json
import os
import pathlib
import sys
import warnings

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
warnings.simplefilter("ignore")

import torch  # noqa: E402

import catalog  # noqa: E402
import forms  # noqa: E402


def reason(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else ""
    if text == "The following operation failed in the TorchScript interpreter.":
        text = lines[-1]
    return f"{type(error).__name__}: {text}"[:300]


def answer(request: dict) -> dict:
    table = catalog.TWINS if request["what"] == "twins" else catalog.MODELS
    model = table[request["name"]]
    try:
        if request.get("matters"):
            return {"matters": forms.mode_matters(model)}
        forms.save(model, request["mode"], request["form"], pathlib.Path(request["path"]))
        return {"done": True}
    except Exception as error:  # torch refuses in many ways
        return {"refused": reason(error)}


def main() -> int:
    torch.set_num_threads(1)
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever prints must not come between the replies
    catalog.load(transformers=sys.argv[1] == "transformers")
    catalogue = [{"what": what, "name": model.name, "forms": list(model.forms),
                  "modes": list(model.modes), "expected": model.expected, "also": list(model.also)}
                 for what, table in (("models", catalog.MODELS), ("twins", catalog.TWINS))
                 for model in table.values()]
    print(json.dumps(catalogue), file=replies, flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), file=replies, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
