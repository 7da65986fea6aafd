"""``python -m train.prepare SYSTEM``: check a data set and pack it into one HDF5 file."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from pyengine.distinct_files import check_distinct
from train.config import config_file, known_configs, load_config
from train.data.sample import Sample
from train.data.store import pack
from train.settings import TrainConfig
from train.systems import System, find_system


def prepare(config: TrainConfig, root: Path | None, out: Path) -> dict[str, int]:
    """Pack the data of one configuration.

    Parameters
    ----------
    config : TrainConfig
        Names the system and the split, and whether phantoms stand in for the data set.
    root : Path, optional
        Folder of the data set; default: the system's folder below ``$PYENGINE_DATA``.
    out : Path
        The ``.h5`` file to write.

    Returns
    -------
    dict of int
        Images per part.

    Raises
    ------
    FileNotFoundError, ValueError
        Data or configuration that does not fit, or `out` is `root` or within it.
    """
    system = find_system(config.system)
    task = system.make_task()
    raw = _samples(system, config, root)
    refuse_within(config, root, out)
    samples = (task.packed(sample, config.data) for sample in raw)
    return pack(samples, out, system.name, system.classes, config.split)


def refuse_within(config: TrainConfig, root: Path | None, out: Path) -> None:
    """Refuse to write into a data set as its owners distribute it; ValueError."""
    folder = data_folder(find_system(config.system), root)
    if folder is not None and out.resolve().is_relative_to(folder.resolve()):
        raise ValueError(
            f"{out}: lies in the data set {folder}, which is only read; write to another folder"
        )


def data_folder(system: System, root: Path | None = None) -> Path | None:
    """`root`, else the system's folder below ``$PYENGINE_DATA``; None where nothing names one."""
    everything = os.environ.get("PYENGINE_DATA")
    if root is None and everything and system.folder:
        return Path(everything) / system.folder
    return root


def _samples(system: System, config: TrainConfig, root: Path | None) -> Iterator[Sample]:
    """From the data set, or drawn where the configuration asks for phantoms and no root is given."""
    if config.data.phantoms and root is None:
        if system.phantoms is None:
            raise ValueError(f"there are no phantoms of {system.name}: set data.phantoms = 0")
        return system.phantoms(config.data.phantoms, config.seed)
    if system.load is None:
        raise ValueError(f"{system.name} has phantoms only: set data.phantoms, and give no --root")
    folder = data_folder(system, root)
    if folder is None:
        raise ValueError(
            f"no folder of {system.name}'s data set: name it with --root, or the folder of all data "
            "sets with PYENGINE_DATA"
        )
    return system.load(folder)


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
        config = load_config(args.system)
        check_distinct([config_file(args.system)], [(args.out, "the data set")])
        counts = prepare(config, args.root, args.out)
    except (ValueError, OSError) as error:
        print(f"train.prepare: {error}", file=sys.stderr)
        return 2
    print(f"{args.out}: " + ", ".join(f"{n} {part}" for part, n in counts.items() if n))
    return 0


if __name__ == "__main__":
    sys.exit(main())
