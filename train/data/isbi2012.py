"""ISBI 2012 EM segmentation challenge: multi-page TIFF volumes of ssTEM sections.

Arganda-Carreras et al., "Crowdsourcing the creation of image segmentation algorithms for
connectomics", Front. Neuroanat. 9:142, 2015; Cardona et al., PLoS Biol. 8(10), 2010.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile


@dataclass(frozen=True)
class Volume:
    """Sections with their membranes.

    Attributes
    ----------
    images : ndarray of uint8, shape (N, H, W)
        Grey values.
    membranes : ndarray of uint8, shape (N, H, W)
        1 = membrane, 0 = interior.
    """

    images: np.ndarray
    membranes: np.ndarray


def load(root: Path) -> Volume:
    """Read ``train-volume.tif`` and ``train-labels.tif``.

    Parameters
    ----------
    root : Path
        Folder of the two files. Labels are 0 = membrane and 255 = interior there.

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
    images = tifffile.imread(root / "train-volume.tif")
    labels = tifffile.imread(root / "train-labels.tif")
    if images.ndim != 3 or images.dtype != np.uint8 or images.shape != labels.shape:
        raise ValueError(
            f"{root}: expected two uint8 volumes (N, H, W) of one shape, got {images.dtype} "
            f"{images.shape} and {labels.dtype} {labels.shape}"
        )
    values = np.unique(labels)
    if not np.isin(values, (0, 255)).all():
        raise ValueError(f"{root}: labels must be 0 or 255, found {values.tolist()}")
    return Volume(images, (labels == 0).astype(np.uint8))
