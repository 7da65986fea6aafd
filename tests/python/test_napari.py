"""The plug-in as napari sees it, by its manifest; without napari and without a display."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from conftest import ROOT
from PIL import Image
from threshold_engine import threshold_engine

from pyengine.cli import main
from pyengine.napari.widget import segment

npe2 = pytest.importorskip("npe2")


@pytest.fixture(scope="module")
def manager():
    """A manager that knows our plug-in alone."""
    manifest = npe2.PluginManifest.from_file(ROOT / "pyengine" / "napari" / "napari.yaml")
    manifest.validate_imports()  # every name leads to something
    manager = npe2.PluginManager()
    manager.register(manifest)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(npe2.PluginManager, "instance", staticmethod(lambda: manager))
        yield manager


def read(path: Path):
    (layer,) = npe2.read([str(path)], plugin_name="pyengine", stack=False)
    return layer


def test_the_entry_point_leads_to_the_manifest() -> None:
    tomllib = pytest.importorskip("tomllib")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    module, _, name = project["entry-points"]["napari.manifest"]["pyengine"].partition(":")
    assert (ROOT / module.replace(".", "/") / name).is_file()


def test_images_are_read(manager, tmp_path) -> None:
    grey = np.arange(12, dtype=np.uint16).reshape(3, 4)
    np.save(tmp_path / "a.npy", grey)
    data, attributes, kind = read(tmp_path / "a.npy")
    np.testing.assert_array_equal(data, grey)
    assert (attributes["name"], attributes["rgb"], kind) == ("a.npy", False, "image")
    color = np.random.default_rng(0).integers(0, 255, (3, 4, 3)).astype(np.uint8)
    Image.fromarray(color).save(tmp_path / "c.png")
    data, attributes, _ = read(tmp_path / "c.png")
    np.testing.assert_array_equal(data, color)
    assert attributes["rgb"] is True
    stack = np.zeros((5, 6, 7), np.uint8)
    tifffile.imwrite(tmp_path / "s.tif", stack, photometric="minisblack")
    assert read(tmp_path / "s.tif")[0].shape == (5, 6, 7)


def test_calibration_is_the_scale(manager, tmp_path) -> None:
    tifffile.imwrite(
        tmp_path / "z.ome.tif", np.zeros((3, 4, 5), np.uint8), photometric="minisblack",
        metadata={
            "axes": "ZYX", "PhysicalSizeX": 2.0, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 1.0,
            "PhysicalSizeYUnit": "µm", "PhysicalSizeZ": 5.0, "PhysicalSizeZUnit": "µm",
        },
    )  # fmt: skip
    attributes = read(tmp_path / "z.ome.tif")[1]
    assert attributes["scale"] == pytest.approx([0.005, 0.001, 0.002])
    assert attributes["units"] == ["mm"] * 3


def test_own_labels_are_labels_with_their_colours(manager, tmp_path) -> None:
    image = np.array([[0, 100], [200, 0]], np.uint8)
    Image.fromarray(image).save(tmp_path / "a.png")
    engine = threshold_engine(tmp_path / "t.pyengine")
    out = tmp_path / "out"
    out.mkdir()
    assert main(["segment", str(tmp_path / "a.png"), "-o", str(out), "-e", str(engine)]) == 0
    data, attributes, kind = read(out / "a.png")
    assert kind == "labels"
    assert data.tolist() == [[0, 1], [2, 0]]
    assert attributes["colormap"][1].tolist() == [1, 0, 0, 1]
    assert attributes["colormap"][0].tolist() == [0, 0, 0, 0]
    assert attributes["metadata"] == {"classes": ["background", "dim", "bright"]}


def test_other_files_are_declined(manager, tmp_path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(ValueError, match="pyengine"):
        read(tmp_path / "notes.txt")


@pytest.mark.parametrize("name", ["a.tif", "a.npy", "a.png", "a.geojson"])
def test_labels_are_written_by_suffix(manager, tmp_path, name) -> None:
    labels = np.array([[0, 1, 1], [2, 0, 0]], np.int32)
    path = str(tmp_path / name)
    layer = (labels, {"name": "a", "metadata": {"classes": ["b", "cell", "x"]}}, "labels")
    assert npe2.write(path, [layer], plugin_name="pyengine") == [path]
    if name.endswith(".geojson"):
        found = json.loads(Path(path).read_text())["features"]
        assert [f["properties"]["classification"]["name"] for f in found] == ["cell", "x"]
    else:
        np.testing.assert_array_equal(read(Path(path))[0], labels)


def test_png_refuses_what_it_does_not_hold(manager, tmp_path) -> None:
    write = manager.commands.get("pyengine.write_labels")
    with pytest.raises(ValueError, match="up to 255, these reach 300"):
        write(str(tmp_path / "a.png"), np.full((2, 2), 300), {})
    with pytest.raises(ValueError, match="must not be negative, got -1"):
        write(str(tmp_path / "a.tif"), np.full((2, 2), -1), {})
    assert list(tmp_path.iterdir()) == []


def test_the_panel_segments_images_stacks_and_colour(tmp_path) -> None:
    engine = threshold_engine(tmp_path / "t.pyengine")
    image = np.array([[0, 100], [200, 0]], np.uint8)
    data, attributes, kind = segment(image, engine_file=engine)
    assert (data.tolist(), kind) == ([[0, 1], [2, 0]], "labels")
    assert attributes["name"] == "labels by t"
    stack, _, _ = segment(np.stack([image, image]).astype(np.float64), engine_file=engine)
    assert stack.shape == (2, 2, 2)
    undecided, attributes, kind = segment(image, engine_file=engine, output="uncertainty")
    assert (undecided.shape, kind) == ((2, 2), "image")
    with pytest.raises(ValueError, match="in colour, the network takes one channel"):
        segment(np.zeros((2, 2, 3), np.uint8), engine_file=engine)
    with pytest.raises(ValueError, match="takes 3 channels"):
        segment(image, engine="retinal-vessels")
    color, _, _ = segment(np.zeros((20, 20, 3), np.uint8), engine="retinal-vessels")
    assert color.shape == (20, 20)


@pytest.mark.parametrize("key", ["em", "oct", "fundus"])
def test_samples_are_images(manager, key) -> None:
    (sample,) = [
        s for s in manager.get_manifest("pyengine").contributions.sample_data if s.key == key
    ]
    ((data, _, kind),) = sample.open()
    assert kind == "image"
    assert data.dtype == np.uint8
    assert data.size > 10_000
