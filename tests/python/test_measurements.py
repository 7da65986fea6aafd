"""Numbers from labels: each by hand, and objects as scikit-image finds them."""

from __future__ import annotations

import csv
import json
import math

import numpy as np
import pytest

import pyengine
from pyengine.measurements import parts
from pyengine.measurements.spacing import Spacing, as_spacing, parse_spacing
from pyengine.measurements.table import SUFFIXES, Table, save_tables, unpacked

skimage_measure = pytest.importorskip("skimage.measure")

LABELS = np.array(
    [
        [0, 1, 1, 0],
        [0, 0, 0, 1],
        [2, 0, 0, 0],
    ],
    np.uint8,
)
IMAGE = np.arange(12, dtype=np.uint8).reshape(3, 4)


def test_classes_by_hand() -> None:
    found = pyengine.measure(
        LABELS, IMAGE, spacing=(0.5, 0.25), classes=("background", "cell", "debris")
    )
    assert list(found.classes.rows()) == [
        {
            "page": 0, "class": 0, "name": "background", "area_px": 8, "area_mm2": 1.0,
            "fraction": 8 / 12, "objects": None, "mean_intensity": (66 - 1 - 2 - 7 - 8) / 8,
        },
        {
            "page": 0, "class": 1, "name": "cell", "area_px": 3, "area_mm2": 0.375,
            "fraction": 0.25, "objects": 1, "mean_intensity": (1 + 2 + 7) / 3,
        },
        {
            "page": 0, "class": 2, "name": "debris", "area_px": 1, "area_mm2": 0.125,
            "fraction": 1 / 12, "objects": 1, "mean_intensity": 8.0,
        },
    ]  # fmt: skip
    assert len(found.volumes) == 0


def test_objects_by_hand() -> None:
    """By corners the three cells are one; by sides the last is apart."""
    found = pyengine.measure(LABELS, IMAGE, connectivity="corners")
    cell, debris = found.objects.rows()
    assert cell == {
        "page": 0, "object": 1, "class": 1, "name": "1", "area_px": 3, "area_mm2": None,
        "centroid_y_px": 1 / 3, "centroid_x_px": 2.0, "bbox_top_px": 0, "bbox_left_px": 1,
        "bbox_bottom_px": 2, "bbox_right_px": 4, "mean_intensity": 10 / 3,
    }  # fmt: skip
    assert (debris["object"], debris["class"], debris["area_px"]) == (2, 2, 1)
    apart = pyengine.measure(LABELS, connectivity="sides").objects
    assert apart["area_px"].tolist() == [2, 1, 1]
    assert "mean_intensity" not in apart.columns


def test_volume_by_hand() -> None:
    labels = np.zeros((3, 2, 3), np.uint8)
    labels[0, 0, 0] = labels[1, 0, 0] = 1  # one object across two slices
    labels[2, 1, 2] = 1  # touches none of it
    found = pyengine.measure(labels, spacing=(0.2, 0.1, 0.5), volume=True)
    back, front = found.volumes.rows()
    assert (back["voxels"], back["fraction"]) == (15, 15 / 18)
    assert front["voxels"] == 3
    assert front["objects"] == 2
    assert math.isclose(front["volume_mm3"], 3 * 0.2 * 0.1 * 0.5)
    first = next(iter(found.objects.rows()))
    assert (first["voxels"], first["centroid_z_px"], first["bbox_back_px"]) == (2, 0.5, 2)
    assert all(row["objects"] is None for row in found.classes.rows())
    # Without a distance between slices there are areas, and no volume.
    flat = pyengine.measure(labels, spacing=(0.1, 0.5), volume=True)
    assert flat.volumes["volume_mm3"][1] != flat.volumes["volume_mm3"][1]
    assert math.isclose(flat.classes["area_mm2"][1], 0.05)


@pytest.mark.parametrize("connectivity", ["sides", "corners"])
@pytest.mark.parametrize(("shape", "volume"), [((31, 23), False), ((4, 15, 17), True)])
@pytest.mark.parametrize("rows", [1, 3, 1000])
def test_objects_are_scikit_images_however_the_image_is_cut(
    monkeypatch, shape, volume, connectivity, rows
) -> None:
    rng = np.random.default_rng(7)
    labels = rng.integers(0, 3, shape).astype(np.uint8)
    image = rng.integers(0, 65536, shape).astype(np.uint16)
    monkeypatch.setattr(parts, "_BAND_PX", rows * shape[-1])
    objects = pyengine.measure(labels, image, volume=volume, connectivity=connectivity).objects
    numbered = skimage_measure.label(
        labels, background=0, connectivity=1 if connectivity == "sides" else len(shape)
    )
    names = ("label", "area", "centroid", "bbox", "intensity_mean")
    expected = skimage_measure.regionprops_table(numbered, image, properties=names)
    axes = "zyx" if volume else "yx"
    sides = ("front", "top", "left", "back", "bottom", "right") if volume else (
        "top", "left", "bottom", "right"
    )  # fmt: skip
    np.testing.assert_array_equal(objects["object"], expected["label"])
    np.testing.assert_array_equal(objects["voxels" if volume else "area_px"], expected["area"])
    np.testing.assert_allclose(objects["mean_intensity"], expected["intensity_mean"], rtol=1e-12)
    for k, axis in enumerate(axes):
        # Sums of whole numbers are exact; the library's mean of float64 is not.
        np.testing.assert_allclose(
            objects[f"centroid_{axis}_px"], expected[f"centroid-{k}"], rtol=1e-12
        )
    for k, side in enumerate(sides):
        np.testing.assert_array_equal(objects[f"bbox_{side}_px"], expected[f"bbox-{k}"])


def test_classes_of_objects_are_chosen() -> None:
    found = pyengine.measure(LABELS, object_classes=[0], connectivity="sides")
    assert set(found.objects["class"].tolist()) == {0}
    assert found.classes["objects"].tolist() == [2, None, None]  # one corner lies apart


def test_further_properties_are_scikit_images() -> None:
    found = pyengine.measure(LABELS, properties=["eccentricity", "bbox_area"]).objects
    assert found["bbox_area"].tolist() == [6.0, 1.0]
    with pytest.raises(ValueError, match=r"properties roundness: scikit-image says .*roundness"):
        pyengine.measure(LABELS, properties=["roundness"])


def test_channels_have_their_own_means() -> None:
    image = np.stack([IMAGE, 2 * IMAGE], -1)
    objects = pyengine.measure(LABELS, image).objects
    assert objects["mean_intensity_1"].tolist() == [20 / 3, 16.0]


def test_each_page_of_a_stack_is_an_image() -> None:
    found = pyengine.measure(np.stack([LABELS, 0 * LABELS]))
    assert found.classes["page"].tolist() == [0, 0, 0, 1, 1, 1]
    assert found.objects["page"].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"labels": np.zeros((2, 2), np.float32)}, "integers of shape"),
        ({"labels": np.zeros((0, 2), np.uint8)}, "integers of shape"),
        ({"labels": np.array([[-1]])}, "from 0 to 65535, got -1"),
        ({"labels": LABELS, "image": IMAGE[:2]}, r"\(3, 4\).*got \(2, 4\)"),
        ({"labels": LABELS, "classes": ["a", "b"]}, "label 2 is beyond the 2 classes"),
        ({"labels": LABELS, "connectivity": 8}, "'sides' or 'corners', got 8"),
        ({"labels": LABELS, "volume": True}, "a volume has the shape"),
        ({"labels": LABELS, "object_classes": [3]}, "object class 3 is none of the 3"),
        ({"labels": LABELS, "spacing": (1, 0)}, r"spacing must be .*\(1, 0\)"),
    ],
)
def test_what_cannot_be_measured_is_refused(arguments, words) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        pyengine.measure(**arguments)


@pytest.mark.parametrize(
    ("text", "spacing"),
    [
        ("0.5um", Spacing(0.0005, 0.0005)),
        ("3.9x11.3 µm", Spacing(0.0039, 0.0113)),
        ("0.24x0.0039x0.0113mm", Spacing(0.0039, 0.0113, 0.24)),
        ("1e3nm", Spacing(0.001, 0.001)),
        ("1in", Spacing(25.4, 25.4)),
    ],
)
def test_spacing_has_a_unit(text, spacing) -> None:
    parsed = parse_spacing(text)
    assert (parsed.height, parsed.width) == pytest.approx((spacing.height, spacing.width))
    assert parsed.depth == spacing.depth


@pytest.mark.parametrize("text", ["0.5", "0.5px", "1x2x3x4mm", "-1mm", "mm", "1e-mm", "0mm"])
def test_spacing_without_sense_is_refused(text) -> None:
    with pytest.raises(ValueError, match="spacing"):
        parse_spacing(text)


def test_spacing_of_one_number_is_square() -> None:
    assert as_spacing(0.5) == Spacing(0.5, 0.5)
    assert as_spacing((3, 1, 2)) == Spacing(1, 2, 3)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_tables_keep_numbers_text_and_what_is_unknown(tmp_path, suffix) -> None:
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    rows = [
        {"name": 'a "quoted", ümlaut\n', "area": 0.1, "count": 3, "maybe": None},
        {"name": "=1+1", "area": math.nan, "count": 2**40, "maybe": 2},
    ]
    table = Table({
        "name": np.array([row["name"] for row in rows]),
        "area": np.array([row["area"] for row in rows]),
        "count": np.array([row["count"] for row in rows]),
        "maybe": np.array([row["maybe"] for row in rows], object),
    })  # fmt: skip
    path = tmp_path / f"table{suffix}"
    save_tables(path, [table, table])
    expected = [{**row, "area": None if row["area"] != row["area"] else 0.1} for row in rows] * 2
    if suffix == ".csv":
        with path.open(newline="", encoding="utf-8") as file:
            read = list(csv.DictReader(file))
        assert [row["area"] for row in read] == ["0.1", ""] * 2
        assert [row["maybe"] for row in read] == ["", "2"] * 2
        assert [row["name"] for row in read] == [row["name"] for row in expected]
    elif suffix == ".json":
        assert json.loads(path.read_text(encoding="utf-8")) == expected
    else:
        import pyarrow.parquet

        assert pyarrow.parquet.read_table(path).to_pylist() == expected


def test_tables_pack_into_json() -> None:
    found = pyengine.measure(LABELS, IMAGE)
    for table in (found.classes, found.objects, found.volumes):
        again = unpacked(json.loads(json.dumps(table.packed())))
        assert list(again.rows()) == list(table.rows())
        assert [c.dtype.kind for c in again.columns.values()] == [
            c.dtype.kind for c in table.columns.values()
        ]


def test_a_table_is_written_whole_or_not_at_all(tmp_path) -> None:
    def broken():
        yield Table({"a": np.arange(3)})
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        save_tables(tmp_path / "t.csv", broken())
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match=r"\.xlsx: tables are written as \.csv, \.json, \.parquet"):
        save_tables(tmp_path / "t.xlsx", [])


def test_tables_show_in_notebooks_without_running_names() -> None:
    table = pyengine.measure(LABELS, classes=["<script>alert(1)</script>", "b", "c"])
    assert "<script>" not in table._repr_html_()
    assert "&lt;script&gt;" in table._repr_html_()
