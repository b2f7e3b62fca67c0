#!/usr/bin/env python3
"""Checkpoints to resume from, as each library writes them, whole and with one part missing.

    resume_profiles.py --program TORCHVET

A whole checkpoint must be silent under `--for resume`. Then each of its parts, a key or a file, is taken
out, and each is renamed by one letter: both must be named by a rule of the family RES. Checkpoints are
made by a training run of a few steps: with torch alone, and with lightning, transformers and accelerate
where Python has them.

Without torch nothing can be made: exit 77, which CTest counts as skipped."""

import argparse
import copy
import json
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable

try:
    import numpy
    import torch
    from torch import nn
except ImportError:
    print("this Python lacks torch or numpy")
    sys.exit(77)

Problems = list[str]


def findings_of(program: str, path: pathlib.Path, *options: str) -> list[dict]:
    run = subprocess.run([program, "check", str(path), "--report", "json", "--for", "resume", *options],
                         capture_output=True, text=True, check=False)
    if run.returncode not in (0, 1):
        print(run.stdout[-2000:], run.stderr, file=sys.stderr)
        raise SystemExit(f"{path}: exit code {run.returncode}")
    return json.loads(run.stdout)["findings"]


def said(findings: Iterable[dict]) -> str:
    return "; ".join(f"{found['code']} {found['severity']}: {found['message']} " +
                     ", ".join(piece["text"] for piece in found["evidence"]) for found in findings)


def check_whole(program: str, label: str, path: pathlib.Path, problems: Problems) -> None:
    serious = [found for found in findings_of(program, path)
               if found["severity"] != "note" or found["code"].startswith("RES")]
    if serious:
        problems.append(f"{label}: whole, but {said(serious)}")


def check_broken(program: str, label: str, path: pathlib.Path, words: Iterable[str],
                 problems: Problems) -> None:
    """Some word for the part must be in what the rules say."""
    text = said(found for found in findings_of(program, path, "--select", "RES")
                if found["severity"] != "note")
    if not any(word in text for word in words):
        problems.append(f"{label}: not named; {text or 'silent'}")


def misspelled(name: str) -> str:
    """One letter in the middle of the longest word is lost."""
    word = max(re.findall("[a-z]+", name), key=len)
    middle = name.index(word) + len(word) // 2
    return name[:middle] + name[middle + 1:]


def check_dict(program: str, profile: str, whole: dict, parts: dict[str, str], folder: pathlib.Path,
               problems: Problems) -> int:
    """`parts`: each key, and a word by which its lack is named."""
    path = folder / f"{profile}.ckpt"
    torch.save(whole, path)
    check_whole(program, profile, path, problems)
    for key, word in parts.items():
        broken = {name: value for name, value in whole.items() if name != key}
        torch.save(broken, path)
        check_broken(program, f"{profile} without {key}", path, [word], problems)
        wrong = misspelled(key)
        torch.save({(wrong if name == key else name): value for name, value in whole.items()}, path)
        check_broken(program, f"{profile} with {wrong}", path, [wrong], problems)
    return 1 + 2 * len(parts)


def check_folder(program: str, profile: str, whole: pathlib.Path, parts: dict[str, str],
                 folder: pathlib.Path, problems: Problems) -> int:
    check_whole(program, profile, whole, problems)
    for file, word in parts.items():
        for name, words in ((None, [word]), (misspelled(file), [misspelled(file)])):
            broken = folder / f"{profile}-broken" / whole.name
            shutil.copytree(whole, broken)
            if name is None:
                (broken / file).unlink()
            else:
                (broken / file).rename(broken / name)
            label = f"{profile} {'without ' + file if name is None else 'with ' + name}"
            check_broken(program, label, broken, words, problems)
            shutil.rmtree(broken.parent)
    return 1 + 2 * len(parts)


# ---- profiles ----------------------------------------------------------------------------------


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))


def plain(program: str, folder: pathlib.Path, problems: Problems) -> int:
    model = net()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)
    scaler = torch.amp.GradScaler("cpu")
    for _ in range(4):
        optimizer.zero_grad()
        scaler.scale(model(torch.randn(16, 4)).square().mean()).backward()
        scaler.step(optimizer)
        scaler.update()
        scheduler.step()
    whole = {"epoch": 1, "model_state_dict": model.state_dict(),
             "optimizer_state_dict": optimizer.state_dict(),
             "scheduler_state_dict": scheduler.state_dict(), "scaler": scaler.state_dict(),
             "torch_rng_state": torch.get_rng_state(), "python_rng_state": random.getstate(),
             "numpy_rng_state": numpy.random.get_state(), "config": {"amp": True, "lr": 1e-3}}
    parts = {"epoch": "how far", "model_state_dict": "parameters", "optimizer_state_dict": "optimizer",
             "scheduler_state_dict": "scheduler", "scaler": "scaler",
             "torch_rng_state": "torch's random", "python_rng_state": "Python's random",
             "numpy_rng_state": "numpy's random"}
    return check_dict(program, "plain", whole, parts, folder, problems)


def lightning(program: str, folder: pathlib.Path, problems: Problems) -> int:
    import lightning.pytorch as pl

    class Lit(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = net()

        def training_step(self, batch: list[torch.Tensor], _: int) -> torch.Tensor:
            return self.net(batch[0]).square().mean()

        def configure_optimizers(self) -> tuple[list, list]:
            optimizer = torch.optim.AdamW(self.parameters(), 1e-3)
            return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1)]

    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.randn(32, 4)), batch_size=8)
    trainer = pl.Trainer(max_epochs=2, accelerator="cpu", logger=False, enable_progress_bar=False,
                         enable_model_summary=False, default_root_dir=folder / "lightning",
                         callbacks=[pl.callbacks.ModelCheckpoint(dirpath=folder / "lightning")])
    trainer.fit(Lit(), data)
    trainer.save_checkpoint(folder / "whole.ckpt")
    whole = torch.load(folder / "whole.ckpt", weights_only=False)
    parts = {"epoch": "epoch", "global_step": "step", "state_dict": "parameters", "loops": "loops",
             "callbacks": "callbacks", "optimizer_states": "optimizer", "lr_schedulers": "scheduler",
             "pytorch-lightning_version": "version"}
    return check_dict(program, "lightning", copy.copy(whole), parts, folder, problems)


def trainer(program: str, folder: pathlib.Path, problems: Problems) -> int:
    from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

    config = BertConfig(vocab_size=20, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
                        intermediate_size=16, max_position_embeddings=8)
    data = [{"input_ids": torch.randint(0, 20, (6,)), "labels": torch.tensor(row % 2)}
            for row in range(16)]
    arguments = TrainingArguments(str(folder / "run"), max_steps=4, save_steps=4, report_to=[],
                                  per_device_train_batch_size=4, use_cpu=True, disable_tqdm=True)
    Trainer(BertForSequenceClassification(config), arguments, train_dataset=data).train()
    parts = {"model.safetensors": "parameters", "optimizer.pt": "optimizer", "scheduler.pt": "scheduler",
             "rng_state.pth": "random", "trainer_state.json": "trainer_state.json"}
    return check_folder(program, "trainer", folder / "run/checkpoint-4", parts, folder, problems)


def accelerate(program: str, folder: pathlib.Path, problems: Problems) -> int:
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True)
    model = net()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2)
    model, optimizer, scheduler = accelerator.prepare(model, optimizer, scheduler)
    for _ in range(4):
        optimizer.zero_grad()
        accelerator.backward(model(torch.randn(16, 4)).square().mean())
        optimizer.step()
        scheduler.step()
    accelerator.save_state(str(folder / "state"))
    parts = {"model.safetensors": "parameters", "optimizer.bin": "optimizer",
             "scheduler.bin": "scheduler", "random_states_0.pkl": "random_states_0.pkl"}
    return check_folder(program, "accelerate", folder / "state", parts, folder, problems)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", required=True)
    program = parser.parse_args().program
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    problems: Problems = []
    profiles: list[Callable[[str, pathlib.Path, Problems], int]] = [plain, lightning, trainer, accelerate]
    for profile in profiles:
        with tempfile.TemporaryDirectory() as folder:
            try:
                count = profile(program, pathlib.Path(folder), problems)
            except ImportError as missing:
                print(f"{profile.__name__}: passed over, {missing}")
                continue
            print(f"{profile.__name__}: {count} checkpoints")
    print("\n".join(problems) if problems else "every part that is missing is named")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
