"""What is scored: an engine file, or a checkpoint's PyTorch network behind the engine's tiler."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

import pyengine
from pyengine.arguments import Augmentation
from train.checkpoint import load_checkpoint
from train.settings import DataConfig


@dataclass(frozen=True)
class Subject:
    """What is scored.

    Attributes
    ----------
    engine : pyengine.Engine
        An engine file, or the tiler with a checkpoint's PyTorch network behind it.
    kind : {"engine", "checkpoint"}
    data : DataConfig
        How images are shown to it (size, neighbouring slices).
    tta : {"none", "flips", "d4"}
        Views of each image over which the logits are averaged, as in `pyengine.Engine.segment`.
    """

    engine: pyengine.Engine
    kind: str
    data: DataConfig
    tta: Augmentation = "none"


def open_engine(path_or_name: str | Path, data: DataConfig, tta: Augmentation = "none") -> Subject:
    """An engine file, or one that ships."""
    return Subject(pyengine.Engine(path_or_name), "engine", data, tta)


def open_checkpoint(
    path: Path, system: str, data: DataConfig, tta: Augmentation = "none"
) -> Subject:
    """A checkpoint, computed by PyTorch behind the engine's tiler.

    Raises
    ------
    FileNotFoundError, ValueError
        No such file, not a checkpoint, or one of another system.
    """
    checkpoint = load_checkpoint(path, system)
    network = checkpoint.model

    @torch.inference_mode()
    def run(batch: np.ndarray) -> np.ndarray:
        return np.asarray(network(torch.from_numpy(batch)).numpy())

    with tempfile.TemporaryDirectory() as folder:
        # The file carries halo, classes and normalisation; its weights are not used.
        file = Path(folder) / "checkpoint.pyengine"
        pyengine.build(str(path), file)
        return Subject(pyengine.Engine(file, executor=run), "checkpoint", data, tta)
