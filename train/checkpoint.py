"""Checkpoints of our networks; the file format is `pyengine.inputs.checkpoint`'s."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import nn

from pyengine.distinct_files import check_distinct
from pyengine.inputs.checkpoint import read_checkpoint, write_checkpoint
from train.models import ClassifierConfig, UNetConfig, build_network, network_config


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
    write_checkpoint(
        path, model, _sample_shape(network), network=asdict(network), manifest=manifest,
        config=config,
    )  # fmt: skip


def _sample_shape(network: UNetConfig | ClassifierConfig) -> tuple[int, int, int, int]:
    """(1, C, H, W): a size that the network accepts."""
    if isinstance(network, UNetConfig):
        side = network.output_size(256) + 2 * network.margin
        return (1, network.in_channels, side, side)
    return (1, network.in_channels, *network.size)


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
    data = read_checkpoint(path)
    found = data.config.get("system")
    if system is not None and found != system:
        raise ValueError(f"{path}: a checkpoint of {found!r}, expected one of {system!r}")
    network = network_config(data.network, str(path))
    model = build_network(network)
    model.load_state_dict(data.weights)
    return Checkpoint(model.eval(), network, data.manifest, data.config)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m train.checkpoint",
        description="Write a checkpoint of an earlier version anew, so that it can be built.",
    )
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    args = parser.parse_args(argv)
    try:
        check_distinct([args.old], [(args.new, "the old checkpoint")])
        read = load_checkpoint(args.old)
        save_checkpoint(args.new, read.model, read.network, read.manifest, read.config)
    except (ValueError, OSError) as error:
        print(f"train.checkpoint: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
