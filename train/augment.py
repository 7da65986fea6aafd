"""Random patches of image and labels together: mirrored border, elastic, flips, intensity."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F  # noqa: N812


def sample_patch(
    image: torch.Tensor,
    labels: torch.Tensor,
    size: int,
    margin: int,
    elastic_sigma_px: float,
    scale_range: float,
    rng: np.random.Generator,
) -> tuple[torch.Tensor, torch.Tensor]:
    """One augmented training pair from a section.

    The network sees at the image's border what it will see at inference: mirrored pixels.
    The deformation follows Ronneberger 2015, section 3.1: random displacements on a coarse
    3 x 3 grid, interpolated bicubically.

    Parameters
    ----------
    image : Tensor of float32, shape (1, 1, H, W)
        Normalised section.
    labels : Tensor of float32, shape (1, L, H, W)
        Maps that move with the image, sampled at the nearest pixel: class indices, weights.
    size : int
        Side of the output in pixels.
    margin : int
        Context the network consumes on each side, in pixels.
    elastic_sigma_px : float
        Standard deviation of the grid's displacements; 0 switches the deformation off.
    scale_range : float
        Largest relative change of size, 0 to 1; 0 also switches the free rotation off.
    rng : numpy.random.Generator
        The only source of randomness.

    Returns
    -------
    (Tensor of float32 (1, size + 2 * margin, size + 2 * margin), Tensor of float32 (L, size, size))
    """
    height, width = image.shape[-2:]
    side = size + 2 * margin
    top = int(rng.integers(0, max(height - size, 0) + 1)) - margin
    left = int(rng.integers(0, max(width - size, 0) + 1)) - margin
    rows = torch.arange(top, top + side, dtype=torch.float32)
    cols = torch.arange(left, left + side, dtype=torch.float32)
    grid_y, grid_x = torch.meshgrid(rows, cols, indexing="ij")
    if scale_range > 0:
        center_y, center_x = top + side / 2, left + side / 2
        zoom = float(np.exp(rng.uniform(-1, 1) * np.log1p(scale_range)))
        angle = float(rng.uniform(-np.pi / 4, np.pi / 4))
        cos, sin = zoom * np.cos(angle), zoom * np.sin(angle)
        dy, dx = grid_y - center_y, grid_x - center_x
        grid_y, grid_x = center_y + cos * dy - sin * dx, center_x + sin * dy + cos * dx
    if elastic_sigma_px > 0:
        coarse = torch.from_numpy(rng.normal(0, elastic_sigma_px, (1, 2, 3, 3)).astype(np.float32))
        shift = F.interpolate(coarse, size=(side, side), mode="bicubic", align_corners=True)[0]
        grid_y, grid_x = grid_y + shift[0], grid_x + shift[1]
    # grid_sample's reflection with align_corners=True is numpy's "reflect".
    grid = torch.stack([2 * grid_x / (width - 1) - 1, 2 * grid_y / (height - 1) - 1], dim=-1)[None]
    x = F.grid_sample(image, grid, mode="bilinear", padding_mode="reflection", align_corners=True)
    y = F.grid_sample(labels, grid, mode="nearest", padding_mode="reflection", align_corners=True)
    turns, flip = int(rng.integers(4)), bool(rng.integers(2))
    x, y = torch.rot90(x[0], turns, (1, 2)), torch.rot90(y[0], turns, (1, 2))
    if flip:
        x, y = x.flip(2), y.flip(2)
    if rng.uniform() < 0.3:
        x = F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
    x = x * float(rng.uniform(0.7, 1.4)) + float(rng.normal(0, 0.25))
    x = x + float(rng.uniform(0, 0.25)) * torch.from_numpy(
        rng.standard_normal(x.shape, dtype=np.float32)
    )
    return x.contiguous(), y[:, margin : margin + size, margin : margin + size].contiguous()
