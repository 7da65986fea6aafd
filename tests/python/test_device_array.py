"""Arrays on a GPU: what is read from their interface, and what is refused. Needs no GPU."""

from __future__ import annotations

import numpy as np
import pytest

import pyengine
from pyengine.device_array import check_result, view_of


class Fake:
    """An array that says it lies on a GPU."""

    def __init__(self, shape, typestr="|u1", strides=None, pointer=4096, readonly=False, **more):
        self.__cuda_array_interface__ = {
            "shape": shape, "typestr": typestr, "strides": strides, "data": (pointer, readonly),
            "version": 3, **more,
        }  # fmt: skip


def test_dense_images():
    view = view_of(Fake((30, 20)), 1, None)
    assert (view.pointer, view.pixel_type, view.stream) == (4096, 0, 0)
    assert view.shape == (30, 20, 1)
    assert view.strides_bytes == (20, 1, 1)
    view = view_of(Fake((30, 20, 3), "<f4"), 3, None)
    assert view.pixel_type == 2
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
    assert check_result(Fake((30, 20)), (30, 20), np.uint8) == 4096
    for out, error in (
        (np.zeros((30, 20), np.uint8), TypeError),
        (Fake((20, 30)), ValueError),
        (Fake((30, 20), "<f4"), ValueError),
        (Fake((30, 20), strides=(32, 1)), ValueError),
        (Fake((30, 20), readonly=True), ValueError),
    ):
        with pytest.raises(error, match="out"):
            check_result(out, (30, 20), np.uint8)


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
