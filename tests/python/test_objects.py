"""Objects: numbered, split, outlined; and how undecided a network is."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import pyengine
from pyengine.measurements.contours import features, polygons, save_features

pytest.importorskip("skimage")


def discs() -> np.ndarray:
    """Two discs of radius 15 that touch."""
    y, x = np.mgrid[:40, :70]
    left, right = (y - 20) ** 2 + (x - 20) ** 2, (y - 20) ** 2 + (x - 47) ** 2
    return ((left < 225) | (right < 225)).astype(np.uint8)


def test_touching_objects_are_one_component_and_two_by_watershed() -> None:
    assert pyengine.instances(discs()).max() == 1
    numbered = pyengine.instances(discs(), method="watershed")
    assert numbered.dtype == np.uint32
    assert numbered.max() == 2
    assert (numbered[20, 20], numbered[20, 47]) == (1, 2)
    assert ((numbered > 0) == discs()).all()
    # The line between them is at the waist, half-way.
    columns = np.nonzero(numbered == 2)[1]
    assert 33 <= columns.min() <= 34


def test_objects_of_a_watershed_are_measured() -> None:
    labels = discs() * 2
    found = pyengine.measure(labels, labels, instances="watershed", properties=["eccentricity"])
    numbered = pyengine.instances(labels, method="watershed")
    assert found.objects["class"].tolist() == [2, 2]
    assert found.objects["area_px"].tolist() == np.bincount(numbered.ravel())[1:].tolist()
    assert len(found.objects["eccentricity"]) == 2


def test_classes_are_never_one_object() -> None:
    labels = np.array([[1, 2, 2], [1, 1, 2]], np.uint8)
    assert pyengine.instances(labels).tolist() == [[1, 2, 2], [1, 1, 2]]
    assert pyengine.instances(labels, object_classes=[2]).tolist() == [[0, 1, 1], [0, 0, 1]]
    whole = pyengine.instances(labels * 0, object_classes=[0])
    assert (whole == 1).all()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"method": "voronoi"}, "instances must be one of components, watershed, got 'voronoi'"),
        ({"connectivity": "4"}, "'sides' or 'corners', got '4'"),
        ({"method": "watershed", "min_distance": 0}, "at least 1 px, got 0"),
    ],
)
def test_what_is_no_object_is_refused(arguments, words) -> None:
    with pytest.raises(ValueError, match=words):
        pyengine.instances(discs(), **arguments)


def test_contours_run_along_the_edges_of_pixels() -> None:
    """A square with a hole: the outer ring and the hole, each closed."""
    numbered = np.ones((3, 3), int)
    numbered[1, 1] = 0
    ((outer, hole),) = polygons(np.pad(numbered, 1))[1]
    assert outer == [[1, 1], [4, 1], [4, 4], [1, 4], [1, 1]]
    assert hole[0] == hole[-1]
    assert sorted(map(tuple, hole[:-1])) == [(2, 2), (2, 3), (3, 2), (3, 3)]


def test_contours_of_random_objects_are_valid_and_hold_their_pixels() -> None:
    """Rings that meet themselves at a corner are what geometry libraries refuse."""
    geometry = pytest.importorskip("shapely.geometry")
    rng = np.random.default_rng(3)
    for _ in range(60):
        labels = rng.integers(0, rng.integers(2, 4), rng.integers(1, 14, 2)).astype(np.uint8)
        numbered = pyengine.instances(labels)
        areas = np.bincount(numbered.ravel())
        found = polygons(numbered)
        assert sorted(found) == list(range(1, len(areas)))
        for number, parts in found.items():
            shape = geometry.MultiPolygon([geometry.Polygon(p[0], p[1:]) for p in parts])
            assert shape.is_valid
            assert shape.area == areas[number]
            assert all(part.exterior.is_ccw for part in shape.geoms)  # RFC 7946, 3.1.6
            assert not any(hole.is_ccw for part in shape.geoms for hole in part.interiors)


def test_features_are_those_that_qupath_reads(tmp_path) -> None:
    numbered = np.array([[1, 0, 2], [0, 1, 2]])
    found = features(
        numbered, np.array([1, 2]), ["a", "b", "c"], [(0, 0, 0), (1, 2, 3), (4, 5, 6)], 4
    )
    path = tmp_path / "x.geojson"
    save_features(path, found)
    collection = json.loads(path.read_text())
    assert collection["type"] == "FeatureCollection"
    first, second = collection["features"]
    assert first["geometry"]["type"] == "MultiPolygon"  # its pixels touch at a corner
    assert second["geometry"]["type"] == "Polygon"
    assert second["geometry"]["plane"] == {"c": -1, "z": 4, "t": 0}
    assert second["properties"] == {
        "objectType": "detection",
        "classification": {"name": "c", "color": [4, 5, 6]},
        "measurements": {"object": 2, "page": 4, "area_px": 2},
    }
    save_features(path, iter(()))
    assert json.loads(path.read_text())["features"] == []


def test_uncertainty_by_hand() -> None:
    halves = np.full((2, 1, 1), 0.5, np.float32)
    assert pyengine.uncertainty(halves) == 1
    assert pyengine.uncertainty(halves, "sigmoid") == 1
    assert pyengine.uncertainty(np.array([1, 0], np.float32).reshape(2, 1, 1)) == 0
    # -(0.75 log 0.75 + 0.25 log 0.25) / log 2
    quarters = np.array([0.25, 0.75], np.float32).reshape(2, 1, 1)
    assert pyengine.uncertainty(quarters)[0, 0] == pytest.approx(0.811278, abs=1e-6)
    # One sigmoid: the same number; two: the mean of 0.811278 and 0.
    assert pyengine.uncertainty(quarters[:1], "sigmoid")[0, 0] == pytest.approx(0.811278, abs=1e-6)
    certain = np.array([0.25, 1], np.float32).reshape(2, 1, 1)
    assert pyengine.uncertainty(certain, "sigmoid")[0, 0] == pytest.approx(0.405639, abs=1e-6)
    with pytest.raises(ValueError, match="'none'.* are none"):
        pyengine.uncertainty(halves, "none")


def test_engines_give_uncertainty(membranes, tmp_path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (70, 50)).astype(np.uint8)
    expected = pyengine.uncertainty(membranes.segment(image, output="probabilities"))
    found = membranes.segment(image, output="uncertainty")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)
    np.save(tmp_path / "a.npy", image)
    membranes.segment_file(tmp_path / "a.npy", tmp_path / "u.npy", output="uncertainty")
    np.testing.assert_array_equal(np.load(tmp_path / "u.npy"), expected)


def test_networks_without_probabilities_have_no_uncertainty(make_engine) -> None:
    engine = make_engine(torch.nn.Conv2d(1, 2, 1), (1, 1, 8, 8), activation="none")
    with pytest.raises(ValueError, match="activation 'none'"):
        engine.segment(np.zeros((4, 4), np.uint8), output="uncertainty")
