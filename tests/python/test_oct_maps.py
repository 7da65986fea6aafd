"""Maps of OCT volumes: thickness, en face, and the ETDRS grid, by hand and on phantoms."""

from __future__ import annotations

import math

import numpy as np
import pytest

import pyengine
from pyengine import phantoms
from pyengine.measurements.etdrs import FIELDS, RADII_MM, field_numbers
from pyengine.measurements.spacing import Spacing


def test_thickness_counts_along_depth() -> None:
    scan = np.array([[0, 1], [1, 1], [0, 2], [1, 2]], np.uint8)  # depth, A-scan
    volume = np.stack([scan, 0 * scan])
    assert pyengine.thickness_map(scan, 1).tolist() == [2, 2]  # a gap does not count
    assert pyengine.thickness_map(scan, [1, 2]).tolist() == [2, 4]
    found = pyengine.thickness_map(volume, 2, spacing=(0.2, 0.004, 0.01))
    np.testing.assert_allclose(found, [[0, 8], [0, 0]])  # 2 px of 4 um
    assert found.dtype == np.float32
    with pytest.raises(ValueError, match=r"\(N, H, W\) or \(H, W\), got \(4,\)"):
        pyengine.thickness_map(scan[:, 0], 1)


def test_en_face_is_the_mean_of_an_a_scan() -> None:
    scan = np.array([[10, 20], [30, 60]], np.uint8)
    labels = np.array([[0, 0], [1, 0]], np.uint8)
    assert pyengine.en_face(scan[None]).tolist() == [[20, 40]]
    slab = pyengine.en_face(scan, labels, 1)
    assert slab[0] == 30
    assert math.isnan(slab[1])
    with pytest.raises(ValueError, match="one shape"):
        pyengine.en_face(scan, labels[:1])


def test_a_flat_map_has_the_volume_of_the_circles() -> None:
    """200 um everywhere: every field has that mean, and its area times 0.2 mm."""
    spacing = Spacing(0.004, 0.01, 0.01)
    table = pyengine.etdrs(np.full((700, 700), 200.0, np.float32), spacing)
    assert table["field"].tolist() == list(FIELDS)
    np.testing.assert_allclose(table["mean_um"], 200)
    areas = [math.pi * 0.5**2, *[math.pi * (1.5**2 - 0.5**2) / 4] * 4,
             *[math.pi * (3.0**2 - 1.5**2) / 4] * 4]  # fmt: skip
    # Pixels of 0.01 mm follow the circles but for their rims, of at most a pixel.
    np.testing.assert_allclose(table["volume_mm3"], np.array(areas) * 0.2, rtol=0.02)
    np.testing.assert_allclose(table["covered"], 1, atol=0.02)
    assert RADII_MM == (0.5, 1.5, 3.0)


def test_fields_lie_where_the_eye_has_them() -> None:
    spacing = Spacing(0.004, 0.1, 0.1)
    # B-scans upwards: the last rows are superior. The right half of a right eye is nasal.
    values = np.zeros((61, 61), np.float32)
    values[50:, :] = 100  # above: outer superior (2 to 3 mm)
    values[30, 40] = 7  # 1 mm to the right
    table = pyengine.etdrs(values, spacing, "OD")
    means = dict(zip(table["field"].tolist(), table["mean_um"].tolist(), strict=True))
    assert max(means, key=lambda name: means[name]) == "outer superior"
    assert means["inner nasal"] > 0
    assert means["inner temporal"] == means["outer inferior"] == 0
    left = pyengine.etdrs(values, spacing, "OS")
    assert dict(zip(left["field"].tolist(), left["mean_um"].tolist(), strict=True))[
        "inner temporal"
    ] == means["inner nasal"]  # fmt: skip
    turned = pyengine.etdrs(values, spacing, superior="first")
    assert turned["mean_um"][FIELDS.index("outer inferior")] == pytest.approx(
        means["outer superior"]
    )


def test_a_small_scan_covers_little() -> None:
    spacing = Spacing(0.004, 0.25, 0.25)
    table = pyengine.etdrs(np.full((5, 5), 10.0, np.float32), spacing)
    # 9 within 0.36 mm of the middle, 16 from 0.5 to 0.71 mm.
    assert table["a_scans"].tolist() == [9, *[4] * 4, *[0] * 4]
    assert math.isnan(table["mean_um"][5])
    assert table["covered"][5] == 0
    fields = field_numbers((5, 5), spacing)
    assert (fields[2, 2], fields[4, 2], fields[2, 4], fields[0, 2], fields[2, 0]) == (0, 1, 2, 3, 4)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((np.zeros(3), Spacing(1, 1, 1)), r"\(N, W\), got \(3,\)"),
        ((np.zeros((2, 2)), Spacing(1, 1)), "distance of B-scans"),
        ((np.zeros((2, 2)), Spacing(1, 1, 1), "left"), "OD or OS, got 'left'"),
        ((np.zeros((2, 2)), Spacing(1, 1, 1), None, None, "up"), "first or last, got 'up'"),
    ],
)
def test_what_is_no_grid_is_refused(arguments, words) -> None:
    with pytest.raises(ValueError, match=words):
        pyengine.etdrs(*arguments)


def test_layers_of_a_phantom_have_their_thickness() -> None:
    """The layers together are the retina; the phantom's shares of it come back."""
    drawn = phantoms.oct_phantom(496, 128, "NORMAL")
    layers = range(1, len(phantoms.LAYERS) + 1)
    whole = pyengine.thickness_map(drawn.layers, list(layers))
    parts = [pyengine.thickness_map(drawn.layers, k) for k in layers]
    np.testing.assert_array_equal(sum(parts), whole)
    columns = np.arange(128)
    first = (drawn.layers > 0).argmax(0)
    last = 495 - (drawn.layers > 0)[::-1].argmax(0)
    assert (drawn.layers[first, columns] == 1).all()
    np.testing.assert_array_equal(whole, last - first + 1)
    assert parts[1].mean() / whole.mean() == pytest.approx(0.24, abs=0.01)  # ganglion cells
