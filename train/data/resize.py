"""One way of changing the size of images, that of the engine."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F  # noqa: N812


def resized(image: np.ndarray, size: tuple[int, int], labels: bool = False) -> np.ndarray:
    """(C, H, W) at another size: bilinear as the engine does it, or nearest for labels."""
    if image.shape[1:] == tuple(size):
        return image
    x = torch.from_numpy(np.ascontiguousarray(image, np.float32))[None]
    options = {"mode": "nearest-exact"} if labels else {"mode": "bilinear", "align_corners": False}
    return F.interpolate(x, size=tuple(size), **options)[0].numpy()
