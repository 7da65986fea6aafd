"""The engine that ships, on real images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conftest import ROOT
from PIL import Image

import pyengine
from train.config import load_config
from train.data import isbi2012
from train.evaluate import evaluate_engine


def test_it_ships_and_says_what_it_is(membranes) -> None:
    assert pyengine.engines() == ["em-membranes"]
    info = membranes.info
    assert info.classes == ("interior", "membrane")
    assert info.tileable
    assert info.parity["relative_error"] <= 1e-4
    for key in ("training_data", "terms", "metrics", "calibrated_threshold"):
        assert key in info.provenance
    card = (ROOT / "pyengine" / "engines" / "em-membranes.md").read_text()
    # The card's numbers are those in the file, which a script printed.
    assert f"{info.provenance['metrics']['accuracy']:.4f}" in card
    assert f"{info.provenance['metrics']['v_rand']:.4f}" in card


def test_info_is_immutable(membranes) -> None:
    for change in (
        lambda i: setattr(i, "halo", 1),
        lambda i: i.input.update(channels=2),
        lambda i: i.manifest.pop("task"),
    ):
        with pytest.raises(AttributeError):
            change(membranes.info)


def test_it_reaches_its_bars_on_the_validation_sections(data, membranes, monkeypatch) -> None:
    monkeypatch.setenv("PYENGINE_DATA", str(data))
    scores = evaluate_engine("em-membranes", load_config("em-membranes"))
    assert scores["accuracy"] >= 0.92
    assert scores["v_rand"] >= 0.95
    stated = membranes.info.provenance["metrics"]
    assert scores["accuracy"] == pytest.approx(stated["accuracy"], abs=1e-4)
    assert scores["v_rand"] == pytest.approx(stated["v_rand"], abs=2e-3)


def test_real_sections_tile_exactly(data, membranes) -> None:
    image = isbi2012.load(data / "isbi2012").images[20]
    whole = membranes.segment(image, tile=512, output="logits", max_memory=1 << 32)
    for tile in (128, (96, 304)):
        np.testing.assert_array_equal(membranes.segment(image, tile=tile, output="logits"), whole)


def test_it_finds_membranes_in_another_data_set(data, membranes) -> None:
    """vnc_sstem, 1024 x 1024, never seen in training: other tissue, other contrast."""
    from pyengine.image_source import read_image

    image = read_image(str(data / "vnc_sstem" / "raw" / "00.tif"), 1)
    truth = np.asarray(Image.open(data / "vnc_sstem" / "membranes" / "00.png")).astype(bool)
    found = membranes.segment(image).astype(bool)
    assert image.shape == truth.shape == (1024, 1024)
    dice = 2 * (found & truth).sum() / (found.sum() + truth.sum())
    chance = truth.mean()  # Dice of random labels of any density is at most about this
    assert dice > chance + 0.2, f"Dice {dice:.3f}, chance {chance:.3f}"


def test_a_large_photograph_in_any_mode(data, membranes) -> None:
    """3504 x 2336: the green channel of a fundus photograph, as a strided view."""
    path = next((data / "hrf" / "images").glob("*"))
    green = np.asarray(Image.open(path))[..., 1]
    assert green.shape == (2336, 3504)
    assert not green.flags.c_contiguous
    labels = membranes.segment(green)
    assert labels.shape == green.shape
    halo = membranes.info.halo
    # Any part, cut out with its context, gives the same labels inside.
    y, x = 1008, 2000
    part = membranes.segment(green[y - 2 * halo : y + 160, x - 2 * halo : x + 160])
    np.testing.assert_array_equal(
        part[2 * halo : -halo, 2 * halo : -halo], labels[y : y + 160 - halo, x : x + 160 - halo]
    )


def test_parity_with_the_same_network_in_torch(membranes) -> None:
    """The engine's own weights put back into PyTorch's convolutions."""
    from safetensors import safe_open

    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, 1, 204, 220), dtype=np.float32)
    import json

    with safe_open(membranes.info.path, "pt") as file:
        graph = json.loads(file.metadata()["graph"])
        values = {graph["input"]["name"]: torch.from_numpy(x).double()}
        for n in graph["nodes"]:
            a = [values[i] for i in n["inputs"]]
            if n["op"] in ("conv2d", "conv_transpose2d"):
                weight = file.get_tensor(n["weight"]).double()
                bias = file.get_tensor(n["bias"]).double()
                if n["op"] == "conv2d":
                    y = torch.nn.functional.conv2d(a[0], weight, bias)
                else:
                    y = torch.nn.functional.conv_transpose2d(a[0], weight, bias, n["stride"])
            elif n["op"] == "activation":
                y = a[0].relu()
            elif n["op"] == "max_pool":
                y = torch.nn.functional.max_pool2d(a[0], 2)
            elif n["op"] == "crop":
                top, left, bottom, right = n["amounts"]
                y = a[0][:, :, top : a[0].shape[2] - bottom, left : a[0].shape[3] - right]
            else:
                assert n["op"] == "concat"
                y = torch.cat(a, 1)
            values[n["output"]] = y
        want = values[graph["output"]].numpy()
    got = membranes.run(x)
    assert np.abs(got - want).max() <= 1e-5 * np.ptp(want)


@pytest.mark.slow
def test_peak_memory_of_a_large_image() -> None:
    """8192 x 8192 to labels in less than 600 MB above the image itself, at the default."""
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.peak_memory", "--size", "8192"],
        capture_output=True, text=True, cwd=ROOT, check=True,
    )  # fmt: skip
    peak_mb = float(done.stdout.split("peak_above_image_mb=")[1].split()[0])
    assert peak_mb < 600, done.stdout
