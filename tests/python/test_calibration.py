"""Sizes of pixels, axes of stacks and colours of classes go with the result."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile
from PIL import Image

from pyengine.cli import main
from pyengine.formats import Calibration, open_image, read_image

RNG = np.random.default_rng(4)
IMAGE = RNG.integers(0, 256, (40, 50), np.uint8)
STACK = RNG.integers(0, 256, (2, 3, 40, 50), np.uint8)  # TZYX


def ome(path: Path, stack: np.ndarray = STACK, axes: str = "TZYX") -> None:
    notes = {"PhysicalSizeX": 0.25, "PhysicalSizeY": 0.5, "PhysicalSizeZ": 2.0}
    units = {f"PhysicalSize{axis}Unit": "µm" for axis in "XYZ"}
    tifffile.imwrite(
        path, stack, photometric="minisblack", metadata={"axes": axes, **notes, **units}
    )


def imagej(path: Path, unit: str = "micron") -> None:
    tifffile.imwrite(
        path, STACK, imagej=True, resolution=(4.0, 2.0), photometric="minisblack",
        metadata={"axes": "TZYX", "unit": unit, "spacing": 2.0},
    )  # fmt: skip


SOURCES = {
    "ome.ome.tif": (ome, Calibration(0.5, 0.25, "µm", 2.0)),
    "imagej.tif": (imagej, Calibration(0.5, 0.25, "µm", 2.0)),
    "millimetres.tif": (lambda p: imagej(p, "mm"), Calibration(0.5, 0.25, "mm", 2.0)),
    "pixels.tif": (lambda p: imagej(p, "pixel"), None),
    "inches.tif": (
        lambda p: tifffile.imwrite(p, IMAGE, resolution=(300, 150), resolutionunit=2),
        Calibration(1 / 150, 1 / 300, "in"),
    ),
    "centimetres.tif": (
        lambda p: tifffile.imwrite(p, IMAGE, resolution=(8000, 4000), resolutionunit=3),
        Calibration(1 / 4000, 1 / 8000, "cm"),
    ),
    "nothing.tif": (lambda p: tifffile.imwrite(p, IMAGE, resolutionunit=1), None),
    "a.png": (
        lambda p: Image.fromarray(IMAGE).save(p, dpi=(300, 150)), Calibration(1 / 150, 1 / 300, "in")
    ),
    "a.jpg": (
        lambda p: Image.fromarray(IMAGE).save(p, dpi=(300, 150)), Calibration(1 / 150, 1 / 300, "in")
    ),
    "without.png": (lambda p: Image.fromarray(IMAGE).save(p), None),
}  # fmt: skip


def calibration(path: Path) -> Calibration | None:
    with open_image(str(path), 1, indices=True) as reader:
        return reader.calibration


def assert_alike(got: Calibration | None, want: Calibration | None, depth: bool = True) -> None:
    """The same sizes, whatever the unit; up to what rationals of TIFF and PNG round."""
    if want is None or got is None:
        assert got is want
        return
    same = got.in_unit(want.unit)
    assert same is not None
    np.testing.assert_allclose((same.height, same.width), (want.height, want.width), rtol=1e-4)
    if depth:
        assert same.depth == want.depth


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("suffix", [".tif", ".ome.tif", ".png"])
@pytest.mark.parametrize("output", ["labels", "probabilities"])
def test_results_have_the_calibration_of_their_source(
    membranes, tmp_path, name, suffix, output
) -> None:
    write, want = SOURCES[name]
    source, target = tmp_path / name, tmp_path / f"out{suffix}"
    write(source)
    assert_alike(calibration(source), want)
    with open_image(str(source), 1) as reader:
        if suffix == ".png" and (reader.stacked or output != "labels"):
            return
        stacked = reader.stacked
    membranes.segment_file(source, target, output=output)
    assert_alike(calibration(target), want, depth=stacked and suffix != ".png")


def test_tags_are_those_of_the_source(membranes, tmp_path) -> None:
    for name, unit in (("inches.tif", 2), ("centimetres.tif", 3)):
        SOURCES[name][0](tmp_path / name)
        membranes.segment_file(tmp_path / name, tmp_path / "o.tif")
        with tifffile.TiffFile(tmp_path / name) as a, tifffile.TiffFile(tmp_path / "o.tif") as b:
            assert a.pages[0].resolution == b.pages[0].resolution
            assert b.pages[0].resolutionunit == unit
    SOURCES["a.png"][0](tmp_path / "a.png")
    membranes.segment_file(tmp_path / "a.png", tmp_path / "o.png")
    assert Image.open(tmp_path / "a.png").info["dpi"] == Image.open(tmp_path / "o.png").info["dpi"]


def test_imagej_reads_its_own_words(membranes, tmp_path) -> None:
    imagej(tmp_path / "a.tif")
    membranes.segment_file(tmp_path / "a.tif", tmp_path / "o.tif")
    with tifffile.TiffFile(tmp_path / "o.tif") as tiff:
        assert tiff.is_imagej
        notes = tiff.imagej_metadata
        assert (notes["unit"], notes["spacing"], notes["images"]) == ("micron", 2.0, 6)
    want = np.stack([membranes.segment(page) for page in STACK.reshape(-1, 40, 50)])
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "o.tif").reshape(want.shape), want)


@pytest.mark.parametrize("output", ["labels", "logits"])
def test_ome_in_ome_out(membranes, tmp_path, output) -> None:
    ome(tmp_path / "a.ome.tif")
    membranes.segment_file(tmp_path / "a.ome.tif", tmp_path / "o.ome.tif", output=output, tile=16)
    want = np.stack([membranes.segment(p, output=output) for p in STACK.reshape(-1, 40, 50)])
    with tifffile.TiffFile(tmp_path / "o.ome.tif") as tiff:
        assert tiff.is_ome
        (series,) = tiff.series
        assert series.axes == ("TZYX" if output == "labels" else "TZCYX")
        assert series.shape == (2, 3, *want.shape[1:])
        np.testing.assert_array_equal(series.asarray().reshape(want.shape), want)
        pixels = next(e for e in ElementTree.fromstring(tiff.ome_metadata).iter()
                      if e.tag.endswith("Pixels"))  # fmt: skip
        assert [pixels.get(f"PhysicalSize{axis}") for axis in "XYZ"] == ["0.25", "0.5", "2.0"]


def test_the_command_line_keeps_ome(membranes, tmp_path) -> None:
    (tmp_path / "in").mkdir()
    ome(tmp_path / "in" / "a.ome.tif")
    arguments = ["segment", "-e", "em-membranes", str(tmp_path / "in"), "-o", str(tmp_path / "out")]
    assert main(arguments) == 0
    assert [p.name for p in (tmp_path / "out").glob("[!.]*")] == ["a.ome.tif"]
    assert main([*arguments[:-1], str(tmp_path / "png"), "--format", "ome.tif"]) == 0
    assert [p.name for p in (tmp_path / "png").glob("[!.]*")] == ["a.ome.tif"]


def test_axes_that_ome_has_no_letter_for(membranes, tmp_path) -> None:
    """One axis becomes Z, several one long Z."""
    np.save(tmp_path / "a.npy", STACK)
    for axes, want in (("TZYX", "TZYX"), ("ZPYX", "ZYX"), ("TPYX", "TZYX")):
        target = tmp_path / f"{axes}.ome.tif"
        membranes.segment_file(tmp_path / "a.npy", target, axes=axes)
        with tifffile.TiffFile(target) as tiff:
            assert tiff.series[0].axes == want
            assert tiff.series[0].asarray().size == STACK.size


# ---- pyramids -----------------------------------------------------------------------------------


def test_large_labels_are_pyramids_in_ome_tiff(make_engine, tmp_path) -> None:
    torch = pytest.importorskip("torch")
    network = torch.nn.Conv2d(1, 2, 1)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([0.0, 1.0]).reshape(2, 1, 1, 1))
        network.bias.copy_(torch.tensor([127.5, 0.0]))
    engine = make_engine(network.eval(), (1, 1, 8, 8))
    image = RNG.integers(0, 256, (1333, 2100), np.uint8)
    np.save(tmp_path / "a.npy", image)
    engine.segment_file(tmp_path / "a.npy", tmp_path / "o.ome.tif", tile=(100, 512))
    want = engine.segment(image)
    np.testing.assert_array_equal(want, image > 127)
    with tifffile.TiffFile(tmp_path / "o.ome.tif") as tiff:
        assert len(tiff.pages) == 1
        levels = tiff.series[0].levels
        assert [level.shape for level in levels] == [
            (1333, 2100),
            (667, 1050),
            (334, 525),
            (167, 263),
        ]
        for n, level in enumerate(levels):
            np.testing.assert_array_equal(level.asarray(), want[:: 1 << n, :: 1 << n])
    assert sorted(p.name for p in tmp_path.iterdir() if p.suffix != ".pyengine") == [
        "a.npy", "o.ome.tif",
    ]  # fmt: skip
    for n in range(4):
        got = read_image(str(tmp_path / "o.ome.tif"), 1, level=n, indices=True)
        np.testing.assert_array_equal(got, want[:: 1 << n, :: 1 << n])


def test_slides_become_pyramids(tmp_path, membranes) -> None:
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "a.svs"
    text = "Aperio Image Library v12\r\n50x40|AppMag = 20|MPP = 0.5"
    tifffile.imwrite(path, np.stack([IMAGE] * 3, -1), tile=(16, 16), description=text,
                     photometric="rgb", metadata=None, software=None)  # fmt: skip
    out = tmp_path / "out"
    assert main(["segment", "-e", "em-membranes", str(tmp_path / "in"), "-o", str(out)]) == 0
    with tifffile.TiffFile(out / "a.ome.tif") as tiff:
        np.testing.assert_array_equal(tiff.asarray(), membranes.segment(IMAGE))
    assert calibration(out / "a.ome.tif") == Calibration(0.5, 0.5, "µm")


# ---- colours ------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".png", ".tif", ".ome.tif"])
def test_labels_can_be_seen_and_are_the_same_numbers(membranes, tmp_path, suffix) -> None:
    np.save(tmp_path / "a.npy", IMAGE)
    target = tmp_path / f"o{suffix}"
    membranes.segment_file(tmp_path / "a.npy", target)
    want = membranes.segment(IMAGE)
    with Image.open(target) as image:
        assert image.mode == "P"
        np.testing.assert_array_equal(np.asarray(image), want)
        np.testing.assert_array_equal(
            np.asarray(image.convert("RGB")), np.asarray(membranes.info.colors, np.uint8)[want]
        )
    if suffix != ".png":
        np.testing.assert_array_equal(tifffile.imread(target), want)
    # As an image it is a coloured one; as labels it is read by asking for the numbers.
    np.testing.assert_array_equal(read_image(str(target), 1, indices=True), want)
    assert read_image(str(target), 3).shape == (40, 50, 3)
