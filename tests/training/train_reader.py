"""A small run that tests start, kill and resume: train_reader.py FOLDER STEPS; ranks leave their weights."""

import os
import sys
from pathlib import Path

import torch

from tenku.text import TextEncoder, TextEncoderConfig
from tenku.training.text import SceneReader, TextTask, TextTaskConfig
from tenku.training.trainer import Trainer, TrainerConfig
from tenku.worlds.captions import known_words


def reader_trainer(folder: Path, num_steps: int) -> Trainer:
    """A trainer that saves after every step."""
    torch.set_num_threads(1)
    torch.manual_seed(int(os.environ.get("RANK", "0")))
    vocabulary = tuple(sorted(known_words()))
    encoder = TextEncoder(
        TextEncoderConfig(vocabulary=vocabulary, hidden_size=16, depth=1, num_heads=2, max_tokens=64)
    )
    task = TextTask(SceneReader(encoder), TextTaskConfig(batch_size=4, held_out_size=2))
    config = TrainerConfig(
        num_steps=num_steps, warmup_steps=2, ema_decay=0.9, checkpoint_seconds=0, sample_steps=10**9
    )
    return Trainer(task, config, folder)


if __name__ == "__main__":
    output = Path(sys.argv[1])
    trainer = reader_trainer(output, int(sys.argv[2]))
    trainer.run()
    torch.save(trainer.task.module.state_dict(), output / f"rank{trainer.rank}.pt")
