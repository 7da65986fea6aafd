"""DRIVE: colour photographs of the fundus with vessels traced by hand.

J. Staal et al., "Ridge-based vessel segmentation in color images of the retina", IEEE Trans. Med.
Imaging 23(4), 2004.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from train.data.files import need_files, need_folder, read_color, read_mask
from train.data.sample import Sample


def load(root: Path) -> Iterator[Sample]:
    """Read ``training/`` and, if there, ``test/``, each with images, 1st_manual and mask.

    Parameters
    ----------
    root : Path
        Folder of the two. ``2nd_manual`` (test only) is the second observer.

    Yields
    ------
    Sample
        Labels are 0 = background, 1 = vessel; the region is the field of view; each photograph
        is another patient. ``test/`` is the owners' test set.

    Raises
    ------
    FileNotFoundError, ValueError
        A folder or file is missing or cannot be read.
    """
    need_folder(root, "DRIVE is distributed as the folders training and test")
    need_folder(root / "training" / "images", "DRIVE's training photographs lie there")
    for part in ("training", "test"):
        folder = root / part
        if not folder.is_dir():
            continue
        images = need_files((folder / "images").glob("*.tif"), folder / "images", "NN_*.tif")
        for path in images:
            number = path.stem.split("_")[0]
            second = folder / "2nd_manual" / f"{number}_manual2.gif"
            yield Sample(
                name=f"{part}/{number}",
                subject=number,
                image=read_color(path),
                label=read_mask(folder / "1st_manual" / f"{number}_manual1.gif").astype(np.uint8),
                region=read_mask(folder / "mask" / f"{path.stem}_mask.gif"),
                second=read_mask(second).astype(np.uint8) if second.is_file() else None,
                split="test" if part == "test" else None,
            )
