"""A region of interest is the crop of the whole, and only what it needs is computed."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import pyengine
from pyengine.phantoms import oct_phantom

IMAGE = oct_phantom(120, 160, "DME").image
REGIONS = [(0, 0, 120, 160), (0, 0, 1, 1), (119, 159, 1, 1), (37, 50, 40, 61), (100, 3, 20, 9)]


@pytest.fixture(scope="module")
def fluid() -> pyengine.Engine:
    return pyengine.Engine("oct-fluid")


@pytest.mark.parametrize("options", [{}, {"tile": 32}, {"mode": "gaussian", "tile": 64}])
def test_a_region_is_the_crop_of_the_whole(fluid, options) -> None:
    whole = fluid.segment(IMAGE, output="logits", **options)
    for top, left, height, width in REGIONS:
        part = fluid.segment(IMAGE, output="logits", region=(top, left, height, width), **options)
        np.testing.assert_array_equal(part, whole[:, top : top + height, left : left + width])


def test_regions_that_are_none_are_refused(fluid) -> None:
    for region in [(0, 0, 121, 5), (-1, 0, 5, 5), (0, 0, 0, 5), (100, 0, 21, 5), (0, 0, 5), "abcd"]:
        with pytest.raises(ValueError, match="region"):
            fluid.segment(IMAGE, region=region)


def test_a_scale_brings_values_to_the_networks(fluid) -> None:
    expected = fluid.segment(IMAGE)
    deep = IMAGE.astype(np.uint16) * 16 + 100
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        same = fluid.segment(deep, source_scale=1 / 16, source_offset=-100 / 16)
    np.testing.assert_array_equal(same, expected)
