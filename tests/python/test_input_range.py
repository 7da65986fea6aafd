"""Images on another scale than the network's are told."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from torch import nn

import pyengine
from pyengine.cli import main
from pyengine.phantoms import oct_phantom

IMAGE = oct_phantom(120, 160, "DME").image
IMAGE[0, :2] = 0, 255
OFF = {
    "uint16 x 257": (IMAGE.astype(np.uint16) * 257, "uint16 from 0 to 65535"),
    "uint16 x 16": (IMAGE.astype(np.uint16) * 16, "uint16 from 0 to 4080"),
    "float / 255": ((IMAGE / 255).astype(np.float32), "float32 from 0 to 1"),
    "float - 128": (IMAGE.astype(np.float32) - 128, "float32 from -128 to 127"),
}
SAME = {"uint16": IMAGE.astype(np.uint16), "float32": IMAGE.astype(np.float32), "uint8": IMAGE}
TRAINED = "the network was trained on uint8 from 0 to 255"


@pytest.fixture(scope="module")
def fluid() -> pyengine.Engine:
    return pyengine.Engine("oct-fluid")


@pytest.mark.parametrize("kind", OFF)
def test_other_scales_are_told(fluid, tmp_path, kind) -> None:
    image, words = OFF[kind]
    with pytest.warns(pyengine.InputRangeWarning, match=f"image: values are {words}") as told:
        fluid.segment(image)
    assert len(told) == 1
    assert TRAINED in str(told[0].message)
    path = tmp_path / "in.npy"
    np.save(path, np.stack([image] * 2))
    with pytest.warns(pyengine.InputRangeWarning, match=r"in\.npy: values are") as told:
        fluid.segment_file(path, tmp_path / "out.npy", tile=32)
    assert len(told) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=r"in\.npy: values are"):
            fluid.segment_file(path, tmp_path / "no.npy")
    assert not (tmp_path / "no.npy").exists()


@pytest.mark.parametrize("kind", SAME)
def test_the_same_numbers_are_the_same_image(fluid, tmp_path, kind) -> None:
    np.save(tmp_path / "in.npy", SAME[kind])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        labels = fluid.segment(SAME[kind])
        fluid.segment_file(tmp_path / "in.npy", tmp_path / "out.npy", tile=32)
        fluid.segment(np.zeros_like(SAME[kind]))
    np.testing.assert_array_equal(labels, fluid.segment(IMAGE))
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), labels)


def test_networks_of_16_bits_and_of_floats(make_engine) -> None:
    network = nn.Conv2d(1, 2, 1).eval()
    deep = make_engine(network, (1, 1, 8, 8), input_dtype="uint16")
    with pytest.warns(
        pyengine.InputRangeWarning, match="uint8 from 0 to 255.*uint16 from 0 to 655"
    ):
        deep.segment(IMAGE)
    plain = make_engine(network, (1, 1, 8, 8))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        deep.segment(OFF["uint16 x 257"][0])
        for image, _ in OFF.values():
            plain.segment(image)


def test_the_command_line_warns_or_refuses(capsys, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    np.save(folder / "a.npy", IMAGE)
    np.save(folder / "b.npy", OFF["float / 255"][0])
    arguments = ["segment", "-e", "oct-fluid", str(folder), "-o"]
    assert main([*arguments, str(tmp_path / "out"), "--overlay"]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"pyengine: warning: {folder / 'b.npy'}: values are float32 from 0 to 1")
    assert TRAINED in line
    assert main([*arguments, str(tmp_path / "strict"), "--strict"]) == 1
    out, err = capsys.readouterr()
    assert "1 segmented, 0 skipped, 1 failed" in out
    assert len(err.splitlines()) == 1
    assert err.startswith(f"pyengine: {folder / 'b.npy'}: values are float32 from 0 to 1")
    assert [p.name for p in (tmp_path / "strict").glob("[!.]*")] == ["a.npy"]


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("uint16 x 257", (0, 65535)),
        ("uint16 x 257", "dtype"),
        ("uint16 x 16", (0, 4080)),
        ("float / 255", (0.0, 1.0)),
        ("float / 255", "dtype"),
        ("float - 128", (-128, 127)),
    ],
)
def test_input_range_brings_images_to_the_networks_scale(
    membranes, tmp_path, capsys, kind, given
) -> None:
    image, _ = OFF[kind]
    want = membranes.segment(IMAGE)
    assert want.any()
    np.save(tmp_path / "in.npy", image)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(membranes.segment(image, input_range=given), want)
        (batched,) = membranes.segment_batch([image], input_range=given)
        membranes.segment_file(
            tmp_path / "in.npy", tmp_path / "out.npy", tile=32, input_range=given
        )
    np.testing.assert_array_equal(batched, want)
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), want)
    word = given if given == "dtype" else ",".join(map(str, given))
    arguments = ["segment", "-e", "em-membranes", str(tmp_path / "in.npy"), "--strict", "-o"]
    assert main([*arguments, str(tmp_path / "cli.npy"), f"--input-range={word}"]) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "cli.npy"), want)
    assert capsys.readouterr().err == ""


def test_values_beyond_the_range_are_told(fluid, tmp_path) -> None:
    image, _ = OFF["uint16 x 257"]
    np.save(tmp_path / "in.npy", image)
    words = r"values are uint16 from 0 to 65535, beyond input_range 0 to 4095"
    with pytest.warns(pyengine.InputRangeWarning, match=words):
        fluid.segment(image, input_range=(0, 4095))
    with pytest.warns(pyengine.InputRangeWarning, match=words):
        fluid.segment_file(tmp_path / "in.npy", tmp_path / "out.npy", input_range=(0, 4095))


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ((5, 5), ValueError, "low must be below high, got 5 and 5"),
        ((0, float("inf")), ValueError, "low must be below high"),
        ("uint16", ValueError, r"must be \(low, high\) or 'dtype', got 'uint16'"),
        ((1, 2, 3), TypeError, r"must be \(low, high\)"),
        (7, TypeError, r"must be \(low, high\)"),
        (("a", "b"), TypeError, "input_range must be a number"),
    ],
)
def test_ranges_that_are_none(fluid, given, error, words) -> None:
    with pytest.raises(error, match=words):
        fluid.segment(IMAGE, input_range=given)


def test_a_range_needs_a_scale_to_go_to(make_engine, fluid, capsys, tmp_path) -> None:
    plain = make_engine(nn.Conv2d(1, 2, 1).eval(), (1, 1, 8, 8))
    with pytest.raises(ValueError, match="trained on float32, whose scale .* not say"):
        plain.segment(IMAGE, input_range=(0, 1))
    with pytest.raises(ValueError, match="give one of both"):
        fluid.segment(IMAGE, input_range=(0, 1), source_scale=2.0)
    np.save(tmp_path / "a.npy", IMAGE)
    arguments = [
        "segment",
        "-e",
        "oct-fluid",
        str(tmp_path / "a.npy"),
        "-o",
        str(tmp_path / "o.npy"),
    ]
    assert main([*arguments, "--input-range", "5"]) == 2
    assert "--input-range must be LOW,HIGH or dtype, got '5'" in capsys.readouterr().err
