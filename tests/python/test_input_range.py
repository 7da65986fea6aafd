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
