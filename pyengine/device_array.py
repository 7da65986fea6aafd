"""Arrays on a GPU: ``__cuda_array_interface__`` (pycuda, CuPy, torch, numba) and DLPack."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from pyengine import _core

_PIXEL_TYPES = {
    "|u1": _core.PixelType.uint8,
    "<u2": _core.PixelType.uint16,
    "<f4": _core.PixelType.float32,
}
# DLPack's numbers for memory that a CUDA device reads.
_CUDA, _CUDA_MANAGED = 2, 13
# Both protocols write CUDA's default stream as 1; 0 is not allowed.
_DEFAULT_STREAM = 1
_NO_WAIT = -1


class DeviceArray:
    """A dense array in the memory of an engine's GPU.

    Results of `Engine.segment` on images that lie on a GPU. ``torch.as_tensor``,
    ``torch.from_dlpack``, ``cupy.asarray``, pycuda and JAX take it as it is, without a copy.

    Attributes
    ----------
    shape : tuple of int
    dtype : numpy.dtype
    """

    def __init__(self, core: _core.Engine, shape: tuple[int, ...], dtype: Any, stream: int) -> None:
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self._core = core
        self._memory = core.allocate_on_device(math.prod(shape) * self.dtype.itemsize)
        self._stream = stream

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "data": (self._memory.pointer, False),
            "version": 3,
            # Readers on other streams wait for this one.
            "stream": self._stream or _DEFAULT_STREAM,
        }

    def __dlpack_device__(self) -> tuple[int, int]:
        return _CUDA, int(self._core.info()["device"].partition(":")[2])

    def __dlpack__(
        self,
        *,
        stream: int | None = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> object:
        """A capsule for one reader, whose `stream` is made to wait for the result.

        Raises
        ------
        BufferError
            A copy, or another device, is asked for.
        """
        device = self.__dlpack_device__()
        if copy or (dl_device is not None and tuple(dl_device) != device):
            raise BufferError(f"only views on the same GPU {device}: no copy, no other device")
        if stream != _NO_WAIT:
            self._core.stream_wait(stream or _DEFAULT_STREAM, self._stream)
        return _core.dlpack_capsule(
            self._memory, self.shape, self.dtype.kind == "f", 8 * self.dtype.itemsize, device[1]
        )

    def __repr__(self) -> str:
        return f"DeviceArray(shape={self.shape}, dtype={self.dtype})"


@dataclass(frozen=True)
class DeviceView:
    """A borrowed array on a GPU: address, type, and shape and strides as (H, W, C).

    `owner` keeps the memory while the view lives.
    """

    pointer: int
    pixel_type: _core.PixelType
    shape: tuple[int, int, int]
    strides_bytes: tuple[int, int, int]
    stream: int
    owner: Any = None

    def borrowed(self) -> _core.BorrowedImage:
        """The view as the core takes it."""
        return _core.BorrowedImage.on_device(
            self.pointer, self.pixel_type, self.shape, self.strides_bytes, self.owner
        )


@dataclass(frozen=True)
class _Described:
    """What either protocol says of an array."""

    pointer: int
    typestr: str
    shape: tuple[int, ...]
    strides_bytes: tuple[int, ...]
    stream: int
    read_only: bool = False
    owner: Any = None


def on_device(array: Any) -> bool:
    """Whether `array` lies on a GPU."""
    if hasattr(array, "__cuda_array_interface__"):
        return True
    if not hasattr(array, "__dlpack_device__"):
        return False
    return array.__dlpack_device__()[0] in (_CUDA, _CUDA_MANAGED)


def _describe(array: Any, stream: int | None) -> _Described:
    """By ``__cuda_array_interface__`` where there is one, else by DLPack."""
    interface = getattr(array, "__cuda_array_interface__", None)
    if interface is None:
        # The array's library makes our stream wait for what it has at work on the array.
        borrowed = _core.DlpackArray(array.__dlpack__(stream=stream or _DEFAULT_STREAM))
        if borrowed.device[0] not in (_CUDA, _CUDA_MANAGED):
            raise TypeError(f"the array is on DLPack's device {borrowed.device}, not on a GPU")
        return _Described(
            borrowed.pointer, borrowed.typestr, borrowed.shape, borrowed.strides, stream or 0,
            owner=borrowed,
        )  # fmt: skip
    if interface.get("mask") is not None:
        raise ValueError("masked arrays cannot be segmented")
    shape = tuple(interface["shape"])
    strides = interface.get("strides") or _dense(shape, np.dtype(interface["typestr"]).itemsize)
    pointer, read_only = interface["data"]
    if stream is None:
        stream = interface.get("stream") or 0
    return _Described(
        pointer, interface["typestr"], shape, tuple(strides), int(stream), read_only, array
    )


def _dense(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    return tuple(itemsize * math.prod(shape[i + 1 :]) for i in range(len(shape)))


def view_of(array: Any, channels: int, stream: int | None) -> DeviceView:
    """An image in device memory.

    Parameters
    ----------
    array : object
        uint8, uint16 or float32, shape (H, W) or (H, W, C), any strides.
    channels : int
        What the network needs.
    stream : int, optional
        cudaStream_t to work on. Default: the one that the array's interface names, else CUDA's
        default.

    Raises
    ------
    TypeError, ValueError
        Another type, rank or number of channels.
    """
    found = _describe(array, stream)
    shape, strides = found.shape, found.strides_bytes
    if found.typestr not in _PIXEL_TYPES:
        raise TypeError(f"image must be uint8, uint16 or float32, got {found.typestr or 'other'}")
    if len(shape) not in (2, 3):
        raise ValueError(f"image must have shape (H, W) or (H, W, C), got {shape}")
    if 0 in shape:
        raise ValueError(f"image must be at least 1 x 1 px, got {shape}")
    if len(shape) == 2:
        shape, strides = (*shape, 1), (*strides, np.dtype(found.typestr).itemsize)
    if shape[2] != channels:
        raise ValueError(f"image has {shape[2]} channel(s), the network needs {channels}")
    return DeviceView(
        found.pointer,
        _PIXEL_TYPES[found.typestr],
        (shape[0], shape[1], shape[2]),
        (strides[0], strides[1], strides[2]),
        found.stream,
        found.owner,
    )


def check_result(out: Any, shape: tuple[int, ...], dtype: Any, stream: int) -> int:
    """Address of a caller's array for results; it must be dense and of this shape and type."""
    if not on_device(out):
        raise TypeError("out must lie on the GPU, as the image does")
    found = _describe(out, stream)
    expected = np.dtype(dtype)
    if found.shape != shape or found.typestr != expected.str:
        raise ValueError(
            f"out must be {expected} of shape {shape}, got {found.typestr} of shape {found.shape}"
        )
    dense = _dense(shape, expected.itemsize)
    if any(n > 1 and a != b for n, a, b in zip(shape, found.strides_bytes, dense, strict=True)):
        raise ValueError(f"out must be dense, got strides {found.strides_bytes}")
    if found.read_only:
        raise ValueError("out is read-only")
    return found.pointer
