"""Probabilities of whole images from a PyTorch network, as an engine would give them."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from train.augment import mirror
from train.models import UNetConfig


def probabilities(
    network: nn.Module, config: UNetConfig, image: torch.Tensor, output: str
) -> torch.Tensor:
    """Probability of each class on the image extended by mirroring.

    Parameters
    ----------
    network : nn.Module
        In evaluation mode.
    config : UNetConfig
        Its shape.
    image : Tensor of float32, shape (C, H, W)
        Normalised.
    output : {"softmax", "sigmoid", "none"}
        From logits to probabilities; "none" clips to [0, 1].

    Returns
    -------
    Tensor of float32, shape (K, H, W), on the CPU; K = 2 also for networks of one output.
    """
    _, height, width = image.shape
    # A "same" network gets enough mirrored context that its zero padding is out of sight, in
    # steps that keep the pooling grid where an engine has it.
    step = config.alignment
    before = config.margin or -(-config.context // step) * step
    rows, cols = (
        mirror(np.arange(config.output_size(n) + 2 * before) - before, n) for n in (height, width)
    )
    padded = image[:, torch.from_numpy(rows)[:, None], torch.from_numpy(cols)[None, :]]
    logits = network(padded[None].contiguous(memory_format=torch.channels_last))[0].float().cpu()
    cut = 0 if config.margin else before
    return to_probabilities(logits[:, cut : cut + height, cut : cut + width], output)


def to_probabilities(logits: torch.Tensor, output: str) -> torch.Tensor:
    """Logits (K, ...) to probabilities (max(K, 2), ...)."""
    if output == "softmax":
        return logits.softmax(0)
    one = logits.sigmoid() if output == "sigmoid" else logits.clip(0, 1)
    return torch.cat([1 - one, one]) if len(one) == 1 else one


def output_activation(classes: int, loss: str) -> str:
    """What turns the outputs of a network trained with `loss` into probabilities."""
    if loss == "mse":
        return "none"
    return "softmax" if classes > 1 else "sigmoid"
