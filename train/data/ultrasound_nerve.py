"""Ultrasound of the neck with the brachial plexus outlined (Kaggle, 2016).

"Ultrasound Nerve Segmentation", Kaggle competition, 2016. Its images are ``S_N.tif`` with
``S_N_mask.tif`` of 420 x 580 px, S the subject; masks of many are empty.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from train.data.files import need_files, need_folder, read_grey, read_mask
from train.data.sample import Sample

_SUFFIXES = (".tif", ".tiff", ".jpg", ".jpeg", ".png")


def load(root: Path) -> Iterator[Sample]:
    """Read the competition's folder, or one of images and masks in two folders.

    Parameters
    ----------
    root : Path
        Holds ``train/`` (or is it) with ``S_N.tif`` and ``S_N_mask.tif``; or ``images/`` and
        ``masks/`` with the same names, also as JPEG. Where a mask file is missing, the run
        lengths of ``train_masks.csv`` beside it are used, if there. A neighbouring folder whose
        name is the root's with ``_256`` added (the same competition, resized) is read as well.

    Yields
    ------
    Sample
        Labels are 0 = background, 1 = nerve.

    Raises
    ------
    FileNotFoundError, ValueError
        A folder or mask is missing, or a file cannot be read.
    """
    need_folder(root, "the competition's folder holds train/")
    yield from _folder(root)
    resized = root.with_name(f"{root.name}_256")
    if resized.is_dir():
        yield from _folder(resized)


def _folder(root: Path) -> Iterator[Sample]:
    if (root / "images").is_dir():
        images, masks = root / "images", need_folder(root / "masks", "masks of root/images")
    else:
        images = masks = root / "train" if (root / "train").is_dir() else root
    files = need_files(
        (p for p in images.iterdir() if p.suffix in _SUFFIXES and not p.stem.endswith("_mask")),
        images, "S_N.tif and S_N_mask.tif",
    )  # fmt: skip
    outlines = [p for p in masks.iterdir() if p.stem.endswith("_mask")]
    known = {p.stem.removesuffix("_mask"): p for p in outlines}
    orphans = sorted(set(known) - {p.stem for p in files})
    if orphans:
        raise ValueError(f"{masks}: {len(orphans)} masks without image, first {orphans[0]}")
    table = root / "train_masks.csv"
    runs = _run_lengths(table) if table.is_file() else {}
    for path in files:
        image = read_grey(path)
        if path.stem in known:
            # JPEG masks hold intermediate values around their edges.
            label = read_mask(known[path.stem], threshold=127)
        elif path.stem in runs:
            label = decode_run_lengths(runs[path.stem], image.shape)
        else:
            raise FileNotFoundError(f"{masks / (path.stem + '_mask' + path.suffix)}: missing")
        yield Sample(
            name=f"{root.name}/{path.stem}",
            subject=path.stem.split("_")[0],
            image=image,
            label=label.astype(np.uint8),
        )


def _run_lengths(table: Path) -> dict[str, str]:
    with open(table, newline="") as file:
        rows = csv.DictReader(file)
        needed = {"subject", "img", "pixels"}
        if not needed <= set(rows.fieldnames or ()):
            raise ValueError(f"{table}: columns must be {sorted(needed)}, got {rows.fieldnames}")
        return {f"{row['subject']}_{row['img']}": row["pixels"] or "" for row in rows}


def decode_run_lengths(text: str, shape: tuple[int, int]) -> np.ndarray:
    """Mask from the competition's run lengths.

    Parameters
    ----------
    text : str
        Pairs of start and length; starts count from 1 down the columns, then to the right.
    shape : (int, int)
        Height and width in pixels.

    Returns
    -------
    ndarray of bool, shape (H, W)

    Raises
    ------
    ValueError
        Odd count, or a run outside the image.
    """
    numbers = [int(n) for n in text.split()]
    mask = np.zeros(shape[0] * shape[1], bool)
    if len(numbers) % 2:
        raise ValueError(f"run lengths must come in pairs, got {len(numbers)} numbers")
    for start, length in zip(numbers[::2], numbers[1::2], strict=True):
        if start < 1 or length < 1 or start - 1 + length > mask.size:
            raise ValueError(f"run ({start}, {length}) lies outside {shape[0]} x {shape[1]} px")
        mask[start - 1 : start - 1 + length] = True
    return mask.reshape(shape[1], shape[0]).T
