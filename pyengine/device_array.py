"""Arrays on a GPU, by the interface that pycuda, CuPy, torch and numba share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from pyengine import _core

_PIXEL_TYPES = {"|u1": 0, "<u2": 1, "<f4": 2}


class DeviceArray:
    """A dense array in the memory of an engine's GPU.

    Results of `Engine.segment` on images that lie on a GPU. ``torch.as_tensor``, ``cupy.asarray``
    and pycuda take it as it is, without a copy.

    Attributes
    ----------
    shape : tuple of int
    dtype : numpy.dtype
    """

    def __init__(self, core: _core.Engine, shape: tuple[int, ...], dtype: Any, stream: int) -> None:
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self._memory = core.allocate_on_device(math.prod(shape) * self.dtype.itemsize)
        self._stream = stream

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "data": (self._memory.pointer, False),
            "version": 3,
            # Readers on other streams wait for this one. (0 is not allowed; 1 is the default one.)
            "stream": self._stream or 1,
        }

    def __repr__(self) -> str:
        return f"DeviceArray(shape={self.shape}, dtype={self.dtype})"


@dataclass(frozen=True)
class DeviceView:
    """A borrowed array on a GPU: address, type, and shape and strides as (H, W, C)."""

    pointer: int
    pixel_type: int
    shape: tuple[int, int, int]
    strides_bytes: tuple[int, int, int]
    stream: int


def on_device(array: Any) -> bool:
    """Whether `array` lies on a GPU."""
    return hasattr(array, "__cuda_array_interface__")


def view_of(array: Any, channels: int, stream: int | None) -> DeviceView:
    """The image behind an array's ``__cuda_array_interface__``.

    Parameters
    ----------
    array : object
        uint8, uint16 or float32, shape (H, W) or (H, W, C), any strides.
    channels : int
        What the network needs.
    stream : int, optional
        cudaStream_t to work on. Default: the one that the array names, else CUDA's default.

    Raises
    ------
    TypeError, ValueError
        Another type, rank or number of channels.
    """
    interface = array.__cuda_array_interface__
    kind = interface["typestr"]
    if kind not in _PIXEL_TYPES:
        raise TypeError(f"image must be uint8, uint16 or float32, got {kind}")
    shape = tuple(interface["shape"])
    if len(shape) not in (2, 3):
        raise ValueError(f"image must have shape (H, W) or (H, W, C), got {shape}")
    if 0 in shape:
        raise ValueError(f"image must be at least 1 x 1 px, got {shape}")
    if interface.get("mask") is not None:
        raise ValueError("masked arrays cannot be segmented")
    strides = interface.get("strides")
    if strides is None:
        size = np.dtype(kind).itemsize
        strides = tuple(size * math.prod(shape[i + 1 :]) for i in range(len(shape)))
    if len(shape) == 2:
        shape, strides = (*shape, 1), (*strides, np.dtype(kind).itemsize)
    if shape[2] != channels:
        raise ValueError(f"image has {shape[2]} channel(s), the network needs {channels}")
    if stream is None:
        stream = interface.get("stream") or 0
    return DeviceView(interface["data"][0], _PIXEL_TYPES[kind], shape, tuple(strides), int(stream))


def check_result(out: Any, shape: tuple[int, ...], dtype: Any) -> int:
    """Address of a caller's array for results; it must be dense and of this shape and type."""
    if not on_device(out):
        raise TypeError("out must lie on the GPU, as the image does")
    interface = out.__cuda_array_interface__
    expected = np.dtype(dtype)
    if tuple(interface["shape"]) != shape or interface["typestr"] != expected.str:
        raise ValueError(
            f"out must be {expected} of shape {shape}, got {interface['typestr']} of shape "
            f"{tuple(interface['shape'])}"
        )
    dense = tuple(expected.itemsize * math.prod(shape[i + 1 :]) for i in range(len(shape)))
    if interface.get("strides") is not None and tuple(interface["strides"]) != dense:
        raise ValueError(f"out must be dense, got strides {tuple(interface['strides'])}")
    if interface["data"][1]:
        raise ValueError("out is read-only")
    return int(interface["data"][0])
