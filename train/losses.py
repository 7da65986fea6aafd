"""What training minimises, and weights that make it care about borders between cells."""

from __future__ import annotations

import numpy as np
import torch
from monai.losses import DiceLoss
from scipy import ndimage
from torch.nn import functional as F  # noqa: N812

from train.settings import LossConfig


def segmentation_loss(
    logits: torch.Tensor, label: torch.Tensor, weight: torch.Tensor, config: LossConfig
) -> torch.Tensor:
    """Loss of a batch.

    Parameters
    ----------
    logits : Tensor of float32, shape (B, K, H, W)
        ``mse`` takes them as the answer itself; ``bce`` needs K = 1.
    label : Tensor of int64, shape (B, H, W)
    weight : Tensor of float32, shape (B, H, W)
        Per pixel; not used by the Dice part.
    config : LossConfig

    Returns
    -------
    Tensor of float32, shape ()
    """
    outputs = logits.shape[1]
    if config.name in ("bce", "mse"):
        if outputs != 1:
            raise ValueError(f"loss {config.name} needs a network of one output, got {outputs}")
        target = label.float()
        if config.name == "bce":
            pixel = F.binary_cross_entropy_with_logits(logits[:, 0], target, reduction="none")
        else:
            pixel = (logits[:, 0] - target) ** 2
        return (pixel * weight).sum() / weight.sum()
    total = logits.new_zeros(())
    if config.name.startswith("cross_entropy"):
        classes = None
        if config.class_weights:
            if len(config.class_weights) != outputs:
                raise ValueError(
                    f"loss.class_weights: {len(config.class_weights)} numbers, {outputs} classes"
                )
            classes = logits.new_tensor(config.class_weights)
        pixel = F.cross_entropy(logits, label, weight=classes, reduction="none")
        total = total + (pixel * weight).sum() / weight.sum()
    if config.name.endswith("dice"):
        # Pooled over the batch: images without the structure then do not divide by nothing.
        dice = DiceLoss(
            to_onehot_y=outputs > 1, softmax=outputs > 1, sigmoid=outputs == 1, batch=True,
            include_background=outputs == 1,
        )  # fmt: skip
        total = total + dice(logits, label[:, None])
    return total


def border_weights(interior: np.ndarray, w0: float, sigma_px: float) -> np.ndarray:
    """Weight map of Ronneberger 2015, equation 2, without its class-balancing term.

    ``1 + w0 * exp(-(d1 + d2)^2 / (2 sigma^2))`` on the background, where d1 and d2 are the
    distances to the nearest and the second nearest cell; 1 inside cells.

    Parameters
    ----------
    interior : ndarray of bool, shape (H, W)
        True inside cells; cells are its 4-connected components.
    w0 : float
        Extra weight where two cells touch.
    sigma_px : float
        Width of the ridge in pixels.

    Returns
    -------
    ndarray of float32, shape (H, W), >= 1
    """
    cells, count = ndimage.label(interior)
    nearest = np.full(interior.shape, np.inf)
    second = np.full(interior.shape, np.inf)
    for cell in range(1, count + 1):
        distance = ndimage.distance_transform_edt(cells != cell)
        second = np.minimum(second, np.maximum(nearest, distance))
        nearest = np.minimum(nearest, distance)
    weights = 1 + w0 * np.exp(-((nearest + second) ** 2) / (2 * sigma_px**2))
    return np.where(interior, 1.0, weights).astype(np.float32)
