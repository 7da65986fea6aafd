"""Settings of one training run: a frozen dataclass, filled from a TOML file."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from train.unet import UNetConfig

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CONFIGS = Path(__file__).parent / "configs"


@dataclass(frozen=True)
class TrainConfig:
    """One run; units are in the names or after each field.

    Attributes
    ----------
    system : str
        Name of the system, which is also the name of the engine it becomes.
    unet : UNetConfig
        Shape of the network.
    validation_sections : tuple of int
        Sections never trained on; neighbours in depth, so that no near-copy leaks.
    patch : int
        Side of one training output in pixels, rounded up to a size the network allows.
    batch_size : int
        Patches per step.
    steps : int
        Optimiser steps; the learning rate follows a half cosine down to zero.
    learning_rate, weight_decay : float
        AdamW.
    ema_decay : float
        Decay of the exponential moving average of the weights, which is what is kept.
    elastic_sigma_px : float
        Standard deviation of the displacements on the paper's coarse 3 x 3 grid.
    scale_range : float
        Largest relative zoom in augmentation; 0 switches zoom and free rotation off.
    border_w0, border_sigma_px : float
        Weight map of the paper's equation 2; ``border_w0 = 0`` switches it off.
    bf16 : bool
        bfloat16 autocast for the forward pass.
    seed : int
        Seeds patches, augmentation, initial weights and dropout.
    checkpoint_every : int
        Steps between validations and checkpoints.
    """

    system: str
    unet: UNetConfig = field(default_factory=UNetConfig)
    validation_sections: tuple[int, ...] = ()
    patch: int = 260
    batch_size: int = 4
    steps: int = 4000
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    ema_decay: float = 0.995
    elastic_sigma_px: float = 10.0
    scale_range: float = 0.25
    border_w0: float = 0.0
    border_sigma_px: float = 5.0
    bf16: bool = False
    seed: int = 0
    checkpoint_every: int = 250


def load_config(name_or_path: str, **overrides: Any) -> TrainConfig:
    """Read ``train/configs/NAME.toml`` or any TOML file.

    Parameters
    ----------
    name_or_path : str
        Name of a shipped configuration, or a path that ends in ``.toml``.
    **overrides
        Values that replace those of the file.

    Raises
    ------
    ValueError
        An unknown key, with the keys that exist; or an unknown name, with the known names.
    """
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = CONFIGS / f"{name_or_path}.toml"
    if not path.is_file():
        known = sorted(p.stem for p in CONFIGS.glob("*.toml"))
        raise ValueError(f"no configuration {name_or_path!r}; known: {', '.join(known)}")
    values = tomllib.loads(path.read_text()) | overrides
    known_keys = {f.name for f in fields(TrainConfig)}
    unknown = sorted(set(values) - known_keys)
    if unknown:
        raise ValueError(f"{path}: unknown keys {unknown}; known: {sorted(known_keys)}")
    values["unet"] = UNetConfig(**values.get("unet", {}))
    values["validation_sections"] = tuple(values.get("validation_sections", ()))
    return TrainConfig(**values)
