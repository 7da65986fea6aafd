"""ISBI 2012 EM segmentation challenge: multi-page TIFF volumes of ssTEM sections.

Arganda-Carreras et al., "Crowdsourcing the creation of image segmentation algorithms for
connectomics", Front. Neuroanat. 9:142, 2015; Cardona et al., PLoS Biol. 8(10), 2010.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tifffile

from train.data.sample import Sample


def load(root: Path) -> Iterator[Sample]:
    """Read ``train-volume.tif`` and ``train-labels.tif``, and ``test-volume.tif`` if there.

    One animal: the "subjects" are the sections, named by their number from 1. Neighbours look
    alike, so a split should keep runs of sections together.

    Parameters
    ----------
    root : Path
        Folder of the files. Labels are 0 = membrane and 255 = interior there.

    Yields
    ------
    Sample
        Labels are 0 = interior, 1 = membrane. Sections of the test volume carry no label.

    Raises
    ------
    FileNotFoundError
        Names the missing file.
    ValueError
        The two volumes do not fit each other, or hold something else than labels.
    """
    for name in ("train-volume.tif", "train-labels.tif"):
        if not (root / name).is_file():
            raise FileNotFoundError(f"{root / name}: missing; the ISBI 2012 folder holds it")
    images, labels = _volume(root / "train-volume.tif"), _volume(root / "train-labels.tif")
    if images.shape != labels.shape:
        raise ValueError(
            f"{root}: train-volume.tif is {images.shape}, train-labels.tif {labels.shape}"
        )
    values = np.unique(labels)
    if not np.isin(values, (0, 255)).all():
        raise ValueError(f"{root}: labels must be 0 or 255, found {values.tolist()[:8]}")
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        membrane = (label == 0).astype(np.uint8)
        yield Sample(f"train/{i + 1:02d}", str(i + 1), image, membrane, volume="train", position=i)
    if (root / "test-volume.tif").is_file():
        for i, image in enumerate(_volume(root / "test-volume.tif")):
            yield Sample(f"test/{i + 1:02d}", f"test-{i + 1}", image, volume="test", position=i)


def _volume(path: Path) -> np.ndarray:
    try:
        volume = tifffile.imread(path)
    except Exception as error:
        raise ValueError(f"{path}: cannot be read as TIFF ({error})") from error
    if volume.ndim != 3 or volume.dtype != np.uint8:
        raise ValueError(
            f"{path}: expected a uint8 volume (N, H, W), got {volume.dtype} {volume.shape}"
        )
    return volume
