"""What the list of networks consists of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

# How a network is run: in exact tiles, as a whole image (or in windows with statistics of their
# own), or by onnxruntime behind the same tiler.
Way = Literal["exact", "whole", "onnxruntime"]


@dataclass(frozen=True)
class Network:
    """A network that somebody has, in a small size.

    Attributes
    ----------
    name : str
    make : callable
        Makes a `torch.nn.Module`, or an `onnx.ModelProto`.
    way : str
        How it is expected to run.
    shape : tuple of int
        Of the sample, (1, C, H, W).
    needs : tuple of str
        Modules that must be importable.
    options : dict
        For `pyengine.build`.
    """

    name: str
    make: Callable[[], Any]
    way: Way = "exact"
    shape: tuple[int, int, int, int] = (1, 1, 64, 64)
    needs: tuple[str, ...] = ("torch",)
    options: tuple[tuple[str, Any], ...] = ()
