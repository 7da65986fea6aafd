"""Training that starts from a checkpoint or an engine file."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from test_train_fit import TINY, fit, tiny
from torch.nn.functional import avg_pool2d, interpolate

import pyengine
from pyengine import shipped
from train.config import load_config
from train.data.normalization import normalization
from train.data.patches import TrainingPairs
from train.data.store import Store
from train.initial import load_initial_weights
from train.models import MultiScaleUNet, build_network

__all__ = ["tiny"]  # a fixture


@pytest.fixture
def first(tiny):
    """A finished run and its engine."""
    assert fit(tiny, "first", "--epochs", "1") == 0
    pyengine.build(str(tiny / "first" / "best.pt"), tiny / "first.pyengine")
    return tiny


def load(folder, file):
    """The configured network with weights of `file`, its record and two batches of patches."""
    config = load_config(str(folder / "tiny.toml"))
    store = Store(folder / "first" / "data.h5", "em-membranes")
    pairs = TrainingPairs(store, config, normalization(store, config))
    images = [pairs[i]["image"][None] for i in range(4)]
    torch.manual_seed(1)
    network = build_network(config.network)
    record = load_initial_weights(network, folder / file, "em-membranes", images)
    return network, record, torch.cat(images)


@pytest.mark.parametrize("file", ["first/best.pt", "first.pyengine"])
def test_the_network_answers_as_its_source_does(first, file) -> None:
    network, record, images = load(first, file)
    with torch.no_grad():
        got = network.eval()(images).numpy()
    want = pyengine.Engine(first / "first.pyengine").run(images.numpy())
    assert np.abs(got - want).max() < 1e-4 * np.abs(want).max()
    assert (record["configuration"], record["seed"], record["epochs"]) == ("tiny", 7, 1)
    assert record["file"] == file.split("/")[-1]
    assert len(record["sha256"]) == 64


def test_batch_norm_of_an_engine_trains_on(first) -> None:
    """With the statistics of these very images, a step of training sees the same answer."""
    network, _, images = load(first, "first.pyengine")
    network.dropout.p = 0
    with torch.no_grad():
        want = network.eval()(images)
        got = network.train()(images)
    assert torch.allclose(got, want, atol=1e-3 * float(want.abs().max()))


@pytest.mark.parametrize("file", ["first/best.pt", "first.pyengine"])
def test_several_scales_start_from_one(first, file) -> None:
    toml = first / "tiny.toml"
    toml.write_text(toml.read_text().replace("depth = 2", "depth = 2\nscales = 2"))
    network, record, images = load(first, file)
    assert isinstance(network, MultiScaleUNet)
    single, half = pyengine.Engine(first / "first.pyengine"), avg_pool2d(images, 2)
    small = torch.from_numpy(single.run(half.numpy()))
    want = single.run(images.numpy()) + interpolate(small, scale_factor=2, mode="bilinear").numpy()
    with torch.no_grad():
        got = network.eval()(images).numpy()
    assert np.abs(got - want / 2).max() < 1e-4 * np.abs(want).max()
    assert record["configuration"] == "tiny"
    # An engine of two scales holds their weights once, and goes on as it is.
    pyengine.build(network, first / "two.pyengine", sample_shape=tuple(images[:1].shape))
    again, _, _ = load(first, "two.pyengine")
    with torch.no_grad():
        assert np.abs(again.eval()(images).numpy() - got).max() < 1e-4 * np.abs(got).max()


def test_fit_records_where_it_started(first) -> None:
    assert fit(first, "second", "--epochs", "1", "--initial", str(first / "first.pyengine")) == 0
    run = json.loads((first / "second" / "run.json").read_text())
    assert run["initial"]["file"] == "first.pyengine"
    pyengine.build(str(first / "second" / "best.pt"), first / "second.pyengine")
    provenance = pyengine.Engine(first / "second.pyengine").info.provenance
    assert provenance["initial"] == run["initial"]
    # Started from the other's weights, not from the seed's: two steps cannot do as much.
    weights = [
        torch.load(first / name / "best.pt", weights_only=True)["weights"]["head.weight"]
        for name in ("first", "second")
    ]
    assert float((weights[0] - weights[1]).norm() / weights[0].norm()) < 0.1


def test_a_configuration_names_the_run_before_it(first, capsys) -> None:
    (first / "tiny.toml").write_text('initial = "first"\n' + TINY.format(padding="same"))
    assert fit(first, "second", "--epochs", "1") == 0
    assert json.loads((first / "second" / "run.json").read_text())["initial"]["file"] == "best.pt"
    (first / "tiny.toml").write_text('initial = "nobody"\n' + TINY.format(padding="same"))
    capsys.readouterr()
    assert fit(first, "third", "--epochs", "1") == 2
    assert f"train fit nobody -o {first / 'nobody'}` first" in capsys.readouterr().err


def test_weights_that_do_not_fit(first, capsys) -> None:
    def error(name: str) -> str:
        capsys.readouterr()
        assert fit(first, "second", "--epochs", "1", "--initial", str(first / name)) == 2
        assert not (first / "second" / "best.pt").exists()
        return capsys.readouterr().err

    assert "nothing.pyengine: no such engine file" in error("nothing.pyengine")
    assert "nothing.pt: no such checkpoint" in error("nothing.pt")
    (first / "junk.pyengine").write_bytes(b"junk" * 10)
    assert "junk.pyengine" in error("junk.pyengine")
    tiny_text = TINY.format(padding="same")
    (first / "tiny.toml").write_text(tiny_text.replace("base_width = 2", "base_width = 4"))
    assert "the network's is (4, 1, 3, 3)" in error("first.pyengine")
    assert "does not fit the configured network" in error("first/best.pt")
    (first / "tiny.toml").write_text(tiny_text.replace("depth = 2", "depth = 1"))
    assert "layers with weights, the network has" in error("first.pyengine")
    vessels = str(shipped.resolve("retinal-vessels"))
    (first / "tiny.toml").write_text(tiny_text)
    assert "expected one of 'em-membranes'" in error(vessels)
