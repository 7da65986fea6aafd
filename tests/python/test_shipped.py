"""The engines that ship, on real images."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from conftest import ROOT
from PIL import Image

import pyengine
from train.config import config_from_dict, load_config
from train.data import isbi2012, ultrasound_nerve
from train.data.store import Store, pack
from train.evaluate import evaluate
from train.results import case_name
from train.subject import open_engine
from train.systems import find_system

# What each must reach on a part of its images, brought to a width (None = their own), as the mean
# over views; train/RESULTS.md states what it does.
BARS = {
    "em-membranes": {("validation", None, "none"): {"accuracy": 0.925, "v_rand": 0.97}},
    "oct-fluid": {("validation", None, "none"): {"dice": 0.70}},
    "retinal-vessels": {
        ("validation", None, "d4"): {"roc_auc": 0.978, "dice": 0.815},
        ("test", None, "d4"): {"roc_auc": 0.978, "dice": 0.815},
    },
    "ultrasound-nerve": {
        ("validation", None, "none"): {"dice": 0.70, "dice_per_image": 0.70},
        ("validation", 580, "none"): {"dice": 0.70, "dice_per_image": 0.70},
    },
}


def test_these_ship() -> None:
    assert pyengine.engines() == sorted(BARS)


@pytest.mark.parametrize("name", sorted(BARS))
def test_they_say_what_they_are(name) -> None:
    info = pyengine.Engine(name).info
    system = find_system(name)
    assert info.classes == system.classes
    assert info.tileable
    assert info.parity["relative_error"] <= 1e-2  # float16 weights
    for key in ("training_data", "terms", "metrics", "validation_subjects", "data_sha256"):
        assert info.provenance[key]
    folder = ROOT / "pyengine" / "engines"
    card = (folder / f"{name}.md").read_text()
    record = json.loads((ROOT / "train" / "results" / f"{name}.json").read_text())
    for part, scores in info.provenance["metrics"].items():
        # Card, record and file hold the same numbers, which a script printed.
        assert record["parts"][part]["scores"] == scores
        for key in system.key_scores:
            assert f"{scores[key]:.4f}" in card
    # The shipped network is the configured one.
    config = record["config"] | {"name": name}
    assert config_from_dict(config, name) == load_config(name)


def test_the_wheel_stays_small() -> None:
    folder = ROOT / "pyengine" / "engines"
    assert sum(f.stat().st_size for f in folder.iterdir()) < 20e6


def test_info_is_immutable(membranes) -> None:
    for change in (
        lambda i: setattr(i, "halo", 1),
        lambda i: i.input.update(channels=2),
        lambda i: i.manifest.pop("task"),
    ):
        with pytest.raises(AttributeError):
            change(membranes.info)


@pytest.mark.parametrize("name", BARS)
def test_they_reach_their_bars_on_unseen_subjects(data, tmp_path, name) -> None:
    config = load_config(name)
    system = find_system(name)
    samples = system.load(data / system.folder)
    pack(samples, tmp_path / "x.h5", name, system.classes, config.split)
    store = Store(tmp_path / "x.h5", name)
    stated = json.loads((ROOT / "train" / "results" / f"{name}.json").read_text())["parts"]
    for (part, width_px, tta), bars in BARS[name].items():
        result = evaluate(open_engine(name, config.data, tta), store, part, width_px)
        case = case_name(result)
        for score, bar in bars.items():
            assert result["scores"][score] >= bar, (case, score)
        for score in bars:
            assert result["scores"][score] == pytest.approx(stated[case]["scores"][score], abs=2e-3)
        if "second_observer" in result:
            assert result["scores"]["dice"] > result["second_observer"]["dice"]


def test_native_ultrasound_images_are_taken_as_they_are(data) -> None:
    """Of the one patient at hand, who was trained on: that it finds what it learned, at this size."""
    native = [
        s for s in ultrasound_nerve.load(data / "ultrasound_nerve") if s.image.shape[1] == 580
    ]
    engine = pyengine.Engine("ultrasound-nerve")
    counts = np.zeros(2)
    for sample in native:
        truth = sample.label > 0
        if truth.any():
            found = engine.segment(sample.image) > 0
            counts += 2 * (found & truth).sum(), found.sum() + truth.sum()
    assert counts[0] / counts[1] > 0.75


def test_real_sections_tile_exactly(data, membranes) -> None:
    image = list(isbi2012.load(data / "isbi2012"))[20].image
    whole = membranes.segment(image, tile=512, output="logits", max_memory=1 << 32)
    for tile in (128, (96, 304)):
        np.testing.assert_array_equal(membranes.segment(image, tile=tile, output="logits"), whole)


def test_it_finds_membranes_in_another_data_set(data, membranes) -> None:
    """vnc_sstem, 1024 x 1024, never seen in training: other tissue, other contrast."""
    from pyengine.formats import read_image

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
    # Any part, cut out with its context on the grid of tiles, gives the same labels inside.
    y, x = 1024, 2048
    part = membranes.segment(green[y - 2 * halo : y + 160, x - 2 * halo : x + 160])
    np.testing.assert_array_equal(
        part[2 * halo : -halo, 2 * halo : -halo], labels[y : y + 160 - halo, x : x + 160 - halo]
    )


def test_parity_with_the_same_network_in_torch(membranes) -> None:
    """The engine's own weights put back into PyTorch's convolutions."""
    from safetensors import safe_open

    rng = np.random.default_rng(0)
    rest = membranes.info.input["sample_size_px"][0] % membranes.info.alignment
    x = rng.standard_normal((1, 1, 192 + rest, 208 + rest), dtype=np.float32)
    with safe_open(membranes.info.path, "pt") as file:
        graph = json.loads(file.metadata()["graph"])
        values = {graph["input"]["name"]: torch.from_numpy(x).double()}
        for n in graph["nodes"]:
            a = [values[i] for i in n["inputs"]]
            if n["op"] in ("conv2d", "conv_transpose2d"):
                weight = file.get_tensor(n["weight"]).double()
                bias = file.get_tensor(n["bias"]).double()
                if n["op"] == "conv2d":
                    top, left, bottom, right = n["amounts"]
                    padded = torch.nn.functional.pad(a[0], (left, right, top, bottom))
                    y = torch.nn.functional.conv2d(padded, weight, bias)
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
