"""Reading of image files with one kind of error, shared by the loaders."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image


def need_folder(folder: Path, what: str) -> Path:
    """`folder`, or an error that says what should lie there."""
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder; {what}")
    return folder


def need_files(files: Iterable[Path], folder: Path, what: str) -> list[Path]:
    """The files sorted by name, or an error if there is none."""
    found = sorted(files)
    if not found:
        raise FileNotFoundError(f"{folder}: holds no file; expected {what}")
    return found


def read_grey(path: Path) -> np.ndarray:
    """Grey image as uint8 (H, W); palettes give their indices' grey value."""
    image = _read(path)
    return image if image.ndim == 2 else np.asarray(Image.fromarray(image).convert("L"))


def read_color(path: Path) -> np.ndarray:
    """Colour image as uint8 (H, W, 3)."""
    image = _read(path)
    return np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image[..., :3]


def read_mask(path: Path, threshold: int = 0) -> np.ndarray:
    """Where a mask file is greater than `threshold`, as bool (H, W)."""
    return read_grey(path) > threshold


def _read(path: Path) -> np.ndarray:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: missing")
    try:
        if path.suffix.lower() in (".tif", ".tiff"):
            image = tifffile.imread(path)
        else:
            with Image.open(path) as file:
                # Palette images of two entries are masks: their indices, not their colours.
                image = np.asarray(file if file.mode in ("L", "P", "RGB") else file.convert("RGB"))
    except Exception as error:
        raise ValueError(f"{path}: cannot be read as an image ({error})") from error
    if image.dtype != np.uint8 or image.ndim not in (2, 3):
        raise ValueError(f"{path}: expected a uint8 image, got {image.dtype} {image.shape}")
    return image
