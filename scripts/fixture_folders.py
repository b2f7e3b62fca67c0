"""Training checkpoints that are folders, with the files that the Trainer of transformers and Accelerate
write, small and with torch alone. Weights are in a torch.save file."""

import json
import pathlib

import torch
from torch import nn

from fixture_tools import save_to


def write_folder(folder: pathlib.Path, *leave_out: str, accelerate: bool = False) -> None:
    """The checkpoint of a short run, without the files to leave out."""
    net = nn.Linear(4, 3)
    optimizer = torch.optim.AdamW(net.parameters(), 1e-3)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2)
    net(torch.randn(5, 4)).square().sum().backward()
    optimizer.step()
    scheduler.step()
    folder.mkdir()
    state = torch.get_rng_state()
    if accelerate:
        files = {"pytorch_model.bin": net.state_dict(), "optimizer.bin": optimizer.state_dict(),
                 "scheduler.bin": scheduler.state_dict(),
                 "random_states_0.pkl": {"step": 0, "torch_manual_seed": state}}
    else:
        files = {"pytorch_model.bin": net.state_dict(), "optimizer.pt": optimizer.state_dict(),
                 "scheduler.pt": scheduler.state_dict(), "rng_state.pth": {"cpu": state},
                 "training_args.bin": {"fp16": False}}
        progress = {"epoch": 1.0, "global_step": 1, "log_history": []}
        if "trainer_state.json" not in leave_out:
            (folder / "trainer_state.json").write_text(json.dumps(progress, indent=2) + "\n")
    for name, content in files.items():
        if name not in leave_out:
            save_to(folder / name, content)
