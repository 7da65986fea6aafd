"""Options that say which pixels of an image, and which images of a batch, are segmented."""

from __future__ import annotations

import argparse
import functools
import os
from collections.abc import Mapping, Sequence
from typing import TypeVar

from pyengine.arguments import Region
from pyengine.foreground import Mask, tissue
from pyengine.formats.registry import read_image

T = TypeVar("T")


def add_where_options(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--region", metavar="Y,X,H,W",
        help="segment only this part of each image: top, left, height and width in pixels",
    )  # fmt: skip
    p.add_argument(
        "--mask", metavar="FILE",
        help="an image of any size that is not 0 where images are worth computing; the rest, by "
        "cells of 256 px, becomes label 0",
    )  # fmt: skip
    p.add_argument(
        "--tissue", nargs="?", const="dark", choices=["dark", "bright"],
        help="compute only where tissue is, by Otsu's threshold of a thumbnail: darker than the "
        "rest (default) or brighter",
    )  # fmt: skip
    p.add_argument(
        "--part", metavar="I/N",
        help="do the I-th of N disjoint parts of the batch, counted from 1; auto: as SLURM's job "
        "array says; auto/N: the index from Kubernetes, too",
    )  # fmt: skip


def add_scheduler_option(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--scheduler", metavar="ADDRESS",
        help="have the images made by the workers of a dask scheduler, such as "
        "tcp://10.0.0.1:8786; they reach the same files by the same names",
    )  # fmt: skip


def refuse_where(args: argparse.Namespace) -> None:
    """Refuse what networks of volumes do not take."""
    for name in ("region", "mask", "tissue", "part", "scheduler"):
        if getattr(args, name) is not None:
            raise ValueError(f"--{name}: this network takes volumes, which are segmented whole")


def region(text: str | None) -> Region | None:
    """``Y,X,H,W`` in pixels."""
    if text is None:
        return None
    sides = text.split(",")
    if len(sides) != 4 or not all(side.strip().isdigit() for side in sides):
        raise ValueError(f"region must be Y,X,H,W in pixels, got {text!r}")
    top, left, height, width = (int(side) for side in sides)
    return top, left, height, width


def mask(args: argparse.Namespace) -> Mask | None:
    """What ``--mask`` or ``--tissue`` say."""
    if args.mask is not None and args.tissue is not None:
        raise ValueError("--mask and --tissue both say where tissue is; give one of them")
    if args.mask is not None:
        return read_image(args.mask, 1, indices=True)
    if args.tissue is not None:
        return functools.partial(tissue, bright=args.tissue == "bright")
    return None


def part(text: str | None, environment: Mapping[str, str] = os.environ) -> tuple[int, int]:
    """Which part, from 0, of how many.

    Raises
    ------
    ValueError
        Not ``I/N`` with I from 1 to N; for ``auto``, the environment does not say.
    """
    if text is None:
        return 0, 1
    first, _, count = text.partition("/")
    if first == "auto":
        return _part_of_environment(count, environment)
    if not (first.isdigit() and count.isdigit() and 1 <= int(first) <= int(count)):
        raise ValueError(f"part must be I/N with I from 1 to N, auto or auto/N; got {text!r}")
    return int(first) - 1, int(count)


# Index of this task, the lowest index, the number of tasks.
_ARRAYS = (
    ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_COUNT"),
    ("JOB_COMPLETION_INDEX", "", ""),
)


def _part_of_environment(count: str, environment: Mapping[str, str]) -> tuple[int, int]:
    for index, lowest, tasks in _ARRAYS:
        if index not in environment:
            continue
        given = count or environment.get(tasks, "")
        number = int(environment[index]) - int(environment.get(lowest, "0"))
        if not given.isdigit():
            raise ValueError(f"part: {index} is set, the number of parts is not; say auto/N")
        if not 0 <= number < int(given):
            raise ValueError(
                f"part: {index}={environment[index]} is none of {given} parts; arrays have steps "
                "of 1"
            )
        return number, int(given)
    names = " nor ".join(index for index, _, _ in _ARRAYS)
    raise ValueError(f"part auto: neither {names} is set; say I/N")


def part_of(items: Sequence[T], which: tuple[int, int]) -> list[T]:
    """Every n-th item, so that parts are alike where images grow along the list."""
    index, count = which
    return list(items[index::count])
