"""Arrays on a GPU: what is read from their interface, and what is refused. Needs no GPU."""

from __future__ import annotations

import ctypes
import gc
import weakref

import numpy as np
import pytest

import pyengine
from pyengine import _core
from pyengine.device_array import check_result, on_device, view_of


class Fake:
    """An array that says it lies on a GPU."""

    def __init__(self, shape, typestr="|u1", strides=None, pointer=4096, readonly=False, **more):
        self.__cuda_array_interface__ = {
            "shape": shape, "typestr": typestr, "strides": strides, "data": (pointer, readonly),
            "version": 3, **more,
        }  # fmt: skip


class FakeDlpack:
    """An array of the host whose capsules say that it lies on a GPU."""

    def __init__(self, array, device=2):
        self.array, self.device, self.streams = array, device, []

    def __dlpack_device__(self):
        return self.device, 0

    def __dlpack__(self, *, stream=None):
        self.streams.append(stream)
        capsule = self.array.__dlpack__()
        pointer = ctypes.pythonapi.PyCapsule_GetPointer
        pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
        # After the address, DLTensor holds the type of device.
        ctypes.c_int32.from_address(pointer(capsule, b"dltensor") + 8).value = self.device
        return capsule


def test_dlpack_gives_what_the_interface_gives():
    base = np.arange(40 * 60, dtype=np.uint16).reshape(40, 60)
    for array in (base, base[::2, ::3], base[::-1, 1:]):
        fake = FakeDlpack(array)
        assert on_device(fake)
        view = view_of(fake, 1, None)
        assert (view.pointer, view.pixel_type, view.stream) == (
            array.ctypes.data, _core.PixelType.uint16, 0,
        )  # fmt: skip
        assert view.shape == (*array.shape, 1)
        assert view.strides_bytes == (*array.strides, 2)
        assert fake.streams == [1]  # CUDA's default stream
    assert view_of(FakeDlpack(np.zeros((5, 6, 3), np.float32)), 3, 77).stream == 77
    out = np.zeros((3, 4, 5), np.float32)
    assert check_result(FakeDlpack(out), (3, 4, 5), np.float32, 0) == out.ctypes.data


def test_a_dlpack_array_is_given_back_with_the_view():
    array = np.zeros((20, 30), np.uint8)
    alive = weakref.ref(array)
    view = view_of(FakeDlpack(array), 1, None)
    del array
    gc.collect()
    assert alive() is not None
    del view
    gc.collect()
    assert alive() is None


def test_dlpack_arrays_that_are_refused():
    assert not on_device(np.zeros((3, 3), np.uint8))
    for dtype in (np.float64, np.int8, np.complex64, np.bool_):
        with pytest.raises(TypeError, match="uint8, uint16 or float32"):
            view_of(FakeDlpack(np.zeros((5, 6), dtype)), 1, None)
    liar = FakeDlpack(np.zeros((5, 6), np.uint8), device=1)
    with pytest.raises(TypeError, match="not on a GPU"):
        view_of(liar, 1, None)
    capsule = np.zeros(3, np.uint8).__dlpack__()
    _core.DlpackArray(capsule)
    with pytest.raises(ValueError, match="incorrect name"):
        _core.DlpackArray(capsule)  # it is taken


def test_dense_images():
    view = view_of(Fake((30, 20)), 1, None)
    assert (view.pointer, view.pixel_type, view.stream) == (4096, _core.PixelType.uint8, 0)
    assert view.shape == (30, 20, 1)
    assert view.strides_bytes == (20, 1, 1)
    view = view_of(Fake((30, 20, 3), "<f4"), 3, None)
    assert view.pixel_type == _core.PixelType.float32
    assert view.strides_bytes == (240, 12, 4)


def test_strides_and_streams():
    view = view_of(Fake((30, 20), "<u2", strides=(128, 4), stream=77), 1, None)
    assert view.strides_bytes == (128, 4, 2)
    assert view.stream == 77
    assert view_of(Fake((30, 20), stream=77), 1, 5).stream == 5


@pytest.mark.parametrize(
    ("array", "error", "message"),
    [
        (Fake((30, 20), "<f8"), TypeError, "uint8, uint16 or float32, got <f8"),
        (Fake((30,)), ValueError, "shape"),
        (Fake((0, 20)), ValueError, "at least 1 x 1"),
        (Fake((30, 20, 2)), ValueError, r"2 channel\(s\), the network needs 1"),
        (Fake((30, 20), mask=Fake((30, 20))), ValueError, "masked"),
    ],
)
def test_images_that_are_refused(array, error, message):
    with pytest.raises(error, match=message):
        view_of(array, 1, None)


def test_results_must_fit():
    assert check_result(Fake((30, 20)), (30, 20), np.uint8, 0) == 4096
    for out, error in (
        (np.zeros((30, 20), np.uint8), TypeError),
        (Fake((20, 30)), ValueError),
        (Fake((30, 20), "<f4"), ValueError),
        (Fake((30, 20), strides=(32, 1)), ValueError),
        (Fake((30, 20), readonly=True), ValueError),
    ):
        with pytest.raises(error, match="out"):
            check_result(out, (30, 20), np.uint8, 0)


def test_an_engine_on_the_cpu_refuses_them_with_the_reason():
    engine = pyengine.Engine("em-membranes", device="cpu")
    with pytest.raises(pyengine.UnsupportedError, match="engine on that GPU"):
        engine.segment(Fake((30, 20)))
    with pytest.raises(pyengine.UnsupportedError, match="runs on the CPU"):
        engine.segment(Fake((30, 20)), out=Fake((30, 20)))
    with pytest.raises(ValueError, match="without progress"):
        engine.segment(Fake((30, 20)), mode="gaussian")
    with pytest.raises(ValueError, match="belong to images on the GPU"):
        engine.segment(np.zeros((30, 20), np.uint8), stream=1)
