"""OCT of diabetic macular edema with manually traced fluid, as MATLAB files.

S. J. Chiu et al., "Kernel regression based segmentation of optical coherence tomography images with
diabetic macular edema", Biomed. Opt. Express 6(4), 2015.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.io

from train.data.files import need_files, need_folder
from train.data.sample import Sample


def load(root: Path) -> Iterator[Sample]:
    """Read ``Subject_NN.mat``: volumes of 61 B-scans, 11 of them annotated.

    Parameters
    ----------
    root : Path
        Folder of the files, of MATLAB version 5 or 7.3. Keys used: ``images`` (H, W, B) and
        ``manualFluid1`` (H, W, B), NaN where a B-scan is not annotated, else 0 or the number of
        a fluid region; ``manualFluid2``, if there, is the second observer. All others may be
        absent.

    Yields
    ------
    Sample
        Labels are 0 = background, 1 = fluid. B-scans without annotation come without label, for
        use as neighbours; empty ones not at all.

    Raises
    ------
    FileNotFoundError, ValueError
        No file, an unreadable file, a missing key, or sizes that do not fit.
    """
    need_folder(root, "Chiu 2015 is distributed as Subject_01.mat to Subject_10.mat")
    for path in need_files(root.glob("Subject_*.mat"), root, "Subject_NN.mat"):
        match = re.search(r"Subject_(\d+)", path.stem)
        number = match[1] if match else path.stem
        data = _read(path, ("images", "manualFluid1"), ("manualFluid2",))
        images, fluid = data["images"], data["manualFluid1"]
        if images.ndim != 3 or images.shape != fluid.shape:
            raise ValueError(
                f"{path}: images is {images.shape} and manualFluid1 {fluid.shape}; expected one "
                "shape (height, width, B-scans)"
            )
        second = data.get("manualFluid2")
        for b in range(images.shape[2]):
            image = np.ascontiguousarray(images[..., b]).astype(np.uint8)
            if not image.any():
                continue
            yield Sample(
                name=f"{number}/{b:02d}",
                subject=number,
                image=image,
                label=_annotation(fluid[..., b]),
                second=None if second is None else _annotation(second[..., b]),
                volume=number,
                position=b,
            )


def _annotation(fluid: np.ndarray) -> np.ndarray | None:
    if np.isnan(fluid).all():
        return None
    return (np.nan_to_num(fluid) > 0).astype(np.uint8)


def _read(path: Path, keys: tuple[str, ...], optional: tuple[str, ...]) -> dict[str, Any]:
    try:
        if h5py.is_hdf5(path):
            # Version 7.3 is HDF5 with the axes reversed.
            with h5py.File(path) as file:
                data = {k: file[k][()].T for k in (*keys, *optional) if k in file}
        else:
            data = scipy.io.loadmat(path, variable_names=[*keys, *optional])
    except Exception as error:
        raise ValueError(f"{path}: cannot be read as a MATLAB file ({error})") from error
    for key in keys:
        if key not in data:
            found = sorted(k for k in data if not k.startswith("__"))
            raise ValueError(f"{path}: key {key!r} is missing; found {found}")
    return {k: v for k, v in data.items() if k in (*keys, *optional)}
