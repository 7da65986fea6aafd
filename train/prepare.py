"""``python -m train.prepare SYSTEM``: check a data set and pack it into one HDF5 file."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from train.config import TrainConfig, known_configs, load_config
from train.data import data_root, phantoms
from train.data.resize import resized
from train.data.sample import Sample
from train.data.store import pack
from train.systems import find_system


def prepare(config: TrainConfig, root: Path | None, out: Path) -> dict[str, int]:
    """Pack the data of one configuration.

    Parameters
    ----------
    config : TrainConfig
        Names the system and the split, and whether phantoms stand in for the data set.
    root : Path, optional
        Folder of the data set; default: the system's folder below `data_root`.
    out : Path
        The ``.h5`` file to write.

    Returns
    -------
    dict of int
        Images per part.
    """
    system = find_system(config.system)
    if config.data.phantoms and root is None:
        samples = phantoms.load(config.data.phantoms, 496, 512, config.seed)
    else:
        samples = system.load(root or data_root() / system.folder)
    if system.task == "classification" and config.data.resize is not None:
        # Tens of thousands of images: only what the network will see is kept.
        samples = (_reduced(sample, config.data.resize) for sample in samples)
    return pack(samples, out, system.name, system.classes, config.split)


def _reduced(sample: Sample, size: tuple[int, int]) -> Sample:
    planes = resized(np.atleast_3d(sample.image).transpose(2, 0, 1), size)
    image = planes.transpose(1, 2, 0).round().astype(np.uint8)
    return replace(sample, image=image[..., 0] if sample.image.ndim == 2 else image)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m train.prepare", description=__doc__)
    parser.add_argument(
        "system", help=f"configuration: {', '.join(known_configs())}, or a TOML file"
    )
    parser.add_argument(
        "--root", type=Path, help="folder of the data set, as its owners distribute it"
    )
    parser.add_argument("--out", "-o", type=Path, required=True, help="the .h5 file to write")
    args = parser.parse_args(argv)
    try:
        counts = prepare(load_config(args.system), args.root, args.out)
    except (ValueError, OSError) as error:
        print(f"train.prepare: {error}", file=sys.stderr)
        return 2
    print(f"{args.out}: " + ", ".join(f"{n} {part}" for part, n in counts.items() if n))
    return 0


if __name__ == "__main__":
    sys.exit(main())
