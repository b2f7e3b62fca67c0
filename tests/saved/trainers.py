"""Saves checkpoints of short trainings as the libraries themselves do: transformers' Trainer,
accelerate's save_state, and Lightning's ModelCheckpoint.

    trainers.py FOLDER

Each training is a real one of a few steps on random data. Prints one line of JSON: how many of each."""

import json
import logging
import os
import pathlib
import sys
import warnings

import torch
from torch import nn

warnings.simplefilter("ignore")
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
logging.disable(logging.WARNING)

ROWS, WIDTH, CLASSES = 16, 6, 3


class Data(torch.utils.data.Dataset):
    def __len__(self) -> int:
        return ROWS

    def __getitem__(self, row: int):
        generator = torch.Generator().manual_seed(row)
        return torch.randn(WIDTH, generator=generator), torch.tensor(row % CLASSES)


class Tokens(Data):
    def __getitem__(self, row: int):
        generator = torch.Generator().manual_seed(row)
        tokens = torch.randint(3, 90, (8,), generator=generator)
        return {"input_ids": tokens, "labels": torch.tensor(row % CLASSES)}


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(WIDTH, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, CLASSES))


def with_trainer(folder: pathlib.Path) -> int:
    from transformers import (AutoConfig, AutoModelForSequenceClassification, Trainer,
                              TrainingArguments)

    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
             "intermediate_size": 32, "vocab_size": 99, "num_labels": CLASSES,
             "max_position_embeddings": 40, "pad_token_id": 0, "dim": 16, "n_layers": 1,
             "n_heads": 2, "hidden_dim": 32, "embedding_size": 16, "num_key_value_heads": 2}
    runs = [("bert", "adamw_torch"), ("distilbert", "adamw_torch"), ("roberta", "sgd"),
            ("electra", "adafactor"), ("albert", "adamw_torch"), ("gpt2", "adamw_torch"),
            ("bert", "rmsprop"), ("llama", "adamw_torch"), ("mobilebert", "adamw_torch"),
            ("xlm-roberta", "adagrad")]
    for number, (kind, optimizer) in enumerate(runs):
        torch.manual_seed(number)
        config = AutoConfig.for_model(kind)
        for name, value in small.items():
            if hasattr(config, name):
                setattr(config, name, value)
        model = AutoModelForSequenceClassification.from_config(config)
        place = folder / f"trainer_{number}_{kind.replace('-', '_')}"
        Trainer(model, TrainingArguments(
            str(place), max_steps=12, save_steps=12, per_device_train_batch_size=4, use_cpu=True,
            optim=optimizer, report_to=[], disable_tqdm=True, logging_steps=50, seed=number,
            lr_scheduler_type="cosine" if number % 2 else "linear"), train_dataset=Tokens()).train()
    return len(runs)


def with_accelerate(folder: pathlib.Path) -> int:
    from accelerate import Accelerator

    optimizers = [lambda p: torch.optim.AdamW(p, 1e-3), lambda p: torch.optim.SGD(p, 1e-2),
                  lambda p: torch.optim.SGD(p, 1e-2, momentum=0.9),
                  lambda p: torch.optim.RMSprop(p, 1e-3), lambda p: torch.optim.Adam(p, 1e-3)]
    for number, make in enumerate(optimizers):
        torch.manual_seed(number)
        accelerator = Accelerator(cpu=True)
        model = mlp()
        optimizer = make(model.parameters())
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 5)
        loader = torch.utils.data.DataLoader(Data(), 4)
        model, optimizer, loader, scheduler = accelerator.prepare(model, optimizer, loader, scheduler)
        for _ in range(4):
            for x, y in loader:
                optimizer.zero_grad()
                accelerator.backward(nn.functional.cross_entropy(model(x), y))
                optimizer.step()
                scheduler.step()
        accelerator.save_state(str(folder / f"accelerate_{number}"),
                               safe_serialization=number % 2 == 0)
    return len(optimizers)


def with_lightning(folder: pathlib.Path) -> int:
    import lightning
    from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint

    class Module(lightning.LightningModule):
        def __init__(self, rate: float = 1e-3, scheduled: bool = False) -> None:
            super().__init__()
            self.save_hyperparameters()
            self.net = mlp()

        def training_step(self, batch, _):
            loss = nn.functional.cross_entropy(self.net(batch[0]), batch[1])
            self.log("loss", loss)
            return loss

        def configure_optimizers(self):
            optimizer = torch.optim.Adam(self.parameters(), self.hparams.rate)
            if not self.hparams.scheduled:
                return optimizer
            return [optimizer], [torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)]

    for number in range(5):
        torch.manual_seed(number)
        callbacks = [ModelCheckpoint(folder / f"lightning_{number}", save_last=True,
                                     save_weights_only=number == 4)]
        if number == 2:
            callbacks.append(EarlyStopping("loss", mode="min"))
        trainer = lightning.Trainer(max_epochs=3, accelerator="cpu", logger=False,
                                    enable_progress_bar=False, enable_model_summary=False,
                                    callbacks=callbacks, log_every_n_steps=1)
        trainer.fit(Module(scheduled=number % 2 == 1), torch.utils.data.DataLoader(Data(), 4))
    return 5


def main() -> int:
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    made = {"trainer": with_trainer(folder), "accelerate": with_accelerate(folder),
            "lightning": with_lightning(folder)}
    print(json.dumps(made))
    return 0


if __name__ == "__main__":
    sys.exit(main())
