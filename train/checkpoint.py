"""Checkpoints: weights, shape, configuration and manifest in one file that holds no code."""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pyengine.atomic_file import write_atomically
from train.models import ClassifierConfig, UNetConfig, build_network, network_config

_MARK = "pyengine-checkpoint"
_VERSION = 2


@dataclass(frozen=True)
class Checkpoint:
    """A trained network and what is known about it.

    Attributes
    ----------
    model : nn.Module
        In evaluation mode, on the CPU.
    network : UNetConfig or ClassifierConfig
        Its shape.
    manifest : dict
        What the build step writes into the engine: task, classes, input, provenance.
    config : dict
        The whole training configuration, as plain values.
    """

    model: nn.Module
    network: UNetConfig | ClassifierConfig
    manifest: dict[str, Any]
    config: dict[str, Any]

    @property
    def sample_shape(self) -> tuple[int, int, int, int]:
        """(1, C, H, W): a size that the network accepts."""
        if isinstance(self.network, UNetConfig):
            side = self.network.output_size(256) + 2 * self.network.margin
            return (1, self.network.in_channels, side, side)
        return (1, self.network.in_channels, *self.network.size)


def save_checkpoint(
    path: Path,
    model: nn.Module,
    network: UNetConfig | ClassifierConfig,
    manifest: dict[str, Any],
    config: dict[str, Any],
) -> None:
    """Write a checkpoint; a file of that name survives a failure.

    Parameters
    ----------
    path : Path
        Destination; ``torch.load(weights_only=True)`` can read it.
    model, network, manifest, config
        As in `Checkpoint`.
    """
    content = {
        "format": _MARK,
        "version": _VERSION,
        "network": asdict(network),
        "weights": model.state_dict(),
        "manifest": manifest,
        "config": config,
    }
    # By way of memory: torch's own file writer tells a full disk in words of its internals.
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_atomically(path, lambda temporary: temporary.write_bytes(buffer.getbuffer()))


def load_checkpoint(path: str | Path, system: str | None = None) -> Checkpoint:
    """Read what `save_checkpoint` wrote.

    Parameters
    ----------
    path : path
    system : str, optional
        The system it must belong to.

    Raises
    ------
    FileNotFoundError
        No such file.
    ValueError
        The file is not a checkpoint of `train/`, has another version or belongs to another system.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such checkpoint")
    try:
        data = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(f"{path}: not a checkpoint of train/ ({error})") from error
    if not isinstance(data, dict) or data.get("format") != _MARK:
        raise ValueError(f"{path}: not a checkpoint of train/ (no {_MARK} mark)")
    if data["version"] != _VERSION:
        raise ValueError(
            f"{path}: checkpoint version {data['version']}, this code reads {_VERSION}"
        )
    found = data["config"].get("system")
    if system is not None and found != system:
        raise ValueError(f"{path}: a checkpoint of {found!r}, expected one of {system!r}")
    network = network_config(data["network"], str(path))
    model = build_network(network)
    model.load_state_dict(data["weights"])
    return Checkpoint(model.eval(), network, data["manifest"], data["config"])
