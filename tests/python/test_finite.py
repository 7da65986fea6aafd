"""NaN and infinity that arise in a network are told, and single bright pixels stay where they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from graph_engine import graph_of, open_graph
from torch import nn

import pyengine
from pyengine.cli import main

HUGE = np.float32(3e38)
ISAS = ["reference", "portable", "fused", ""]
SWALLOWING = ["relu", "sigmoid", "tanh", "clip", "elu", "silu", "hard_swish", "hard_sigmoid", "erf",
              "gelu", "gelu_tanh", "leaky_relu", "exp", "softplus", "mish", "softsign"]  # fmt: skip


# With exact multiply-adds, infinity stays infinity, whose sigmoid is 1, and right.
SATURATING = {"sigmoid", "tanh", "clip", "hard_sigmoid", "erf", "exp"}


def overflowing(activation: str | None = None, channels: int = 3, kernel: int = 1) -> list[dict]:
    """Layers of which the second makes infinity less infinity, then an activation."""
    first = np.full((channels, 1, 3, 3), HUGE)
    second = np.full((channels, channels, kernel, kernel), np.float32(10))
    second[:, 1] = -10
    edge = [kernel // 2] * 4
    conv = {"op": "conv2d", "out_channels": channels}
    nodes = [
        conv | {"kernel": [3, 3], "amounts": [1, 1, 1, 1], "in_channels": 1,
                "weight": first * np.float32(0.05)},
        conv | {"kernel": [kernel, kernel], "amounts": edge, "in_channels": channels,
                "weight": second},
    ]  # fmt: skip
    if activation:
        given = (
            {"alpha": -1.0, "beta": 1.0} if activation == "clip" else {"alpha": 0.5, "beta": 0.5}
        )
        nodes.append({"op": "activation", "kind": activation, **given})
    return nodes


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("activation", [None, *SWALLOWING])
def test_names_the_layer_that_gives_nan(tmp_path: Path, activation: str | None, isa: str) -> None:
    if isa != "portable" and activation in SATURATING:
        pytest.skip("infinity saturates")
    graph = graph_of(1, *overflowing(activation))
    engine = open_graph(graph, tmp_path / "x.pyengine", (16, 16), isa)
    image = np.ones((16, 16), np.float32)
    engine.segment(image)  # as before: nobody asked
    with pytest.raises(FloatingPointError, match=r"layer 'conv2d1' gave it in channels? 0"):
        engine.segment(image, check_finite=True)
    zeros = np.zeros_like(image)
    np.testing.assert_array_equal(
        engine.segment(zeros, output="logits", check_finite=True),
        engine.segment(zeros, output="logits"),
    )


@pytest.mark.parametrize("isa", ["portable", ""])
@pytest.mark.parametrize("activation", [None, *SWALLOWING])
def test_patches_that_overflow_are_told(tmp_path: Path, activation: str | None, isa: str) -> None:
    """Winograd's sums of inputs make infinity less infinity: no activation hides it."""
    graph = graph_of(1, *overflowing(activation, channels=16, kernel=3))
    engine = open_graph(graph, tmp_path / "x.pyengine", (16, 16), isa)
    with pytest.raises(FloatingPointError, match="layer 'conv2d1'"):
        engine.segment(np.ones((16, 16), np.float32), check_finite=True)


@pytest.mark.parametrize("mode", ["exact", "gaussian", "constant"])
def test_every_mode_looks(tmp_path: Path, mode: str) -> None:
    engine = open_graph(graph_of(1, *overflowing()), tmp_path / "x.pyengine", (16, 16))
    image = np.zeros((40, 40), np.float32)
    image[30, 35] = 9
    for tta in ("none", "flips"):
        with pytest.raises(FloatingPointError, match="conv2d1"):
            engine.segment(image, check_finite=True, mode=mode, tile=16, tta=tta)


def test_results_of_other_executors_are_looked_at(tmp_path: Path) -> None:
    open_graph(graph_of(1, *overflowing()), path := tmp_path / "x.pyengine", (16, 16))

    def network(x: np.ndarray) -> np.ndarray:
        return np.repeat(np.where(x == 12345, np.float32(np.nan), x), 3, 1)

    engine = pyengine.Engine(path, executor=network)
    image = np.full((16, 16), 12345, np.float32)
    engine.segment(image)
    with pytest.raises(FloatingPointError, match="its result holds it"):
        engine.segment(image, check_finite=True)


def test_bits_stay() -> None:
    engine = pyengine.Engine(Path(__file__).parents[1] / "data/tiny.pyengine")
    image = np.random.default_rng(0).integers(0, 255, (67, 91), np.uint8)
    if engine.info.input["channels"] > 1:
        image = np.repeat(image[..., None], engine.info.input["channels"], 2)
    for output in ("labels", "probabilities", "logits"):
        one, other = (engine.segment(image, output=output, check_finite=c) for c in (False, True))
        np.testing.assert_array_equal(one, other)


def test_one_image_of_a_batch_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    open_graph(graph_of(1, *overflowing()), path := tmp_path / "x.pyengine", (16, 16))
    images = tmp_path / "images"
    images.mkdir()
    np.save(images / "a.npy", np.ones((16, 16), np.float32))
    np.save(images / "b.npy", np.zeros((16, 16), np.float32))
    out = tmp_path / "out"
    status = main(["segment", str(images), "-o", str(out), "--engine", str(path), "--check-finite"])
    assert status == 1
    said = capsys.readouterr().err
    assert "a.npy" in said
    assert "conv2d1" in said
    assert [p.name for p in out.iterdir() if not p.name.startswith(".")] == ["b.npy"]


# ---- one bright pixel ----------------------------------------------------------------------------


def saturating(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.Conv2d(16, 32, 3, padding=1), nn.Tanh(),
        nn.Conv2d(32, 16, 3, padding=1), nn.Tanh(), nn.Conv2d(16, 2, 1),
    )  # fmt: skip


def spiked() -> np.ndarray:
    image = np.random.default_rng(1).integers(0, 3, (64, 64)).astype(np.uint16)
    image[31, 33] = 65535
    return image


def test_a_pixel_of_a_detector_does_not_reach_beyond_its_convolutions(tmp_path: Path) -> None:
    network = saturating()
    report = pyengine.build(
        network, path := tmp_path / "x.pyengine", (1, 1, 64, 64), input_dtype="uint16"
    )
    assert any("computed directly" in note for note in report.notes)
    engine = pyengine.Engine(path)
    algorithms = [row.algorithm for row in engine.profile(64, 64, 1)]
    assert algorithms[1] == "direct"
    image = spiked()
    with torch.no_grad():
        want = network.double()(torch.from_numpy(image.astype(np.float64))[None, None])[0].numpy()
    got = engine.segment(image, output="logits")
    inner = np.s_[:, 4:-4, 4:-4]  # the engine mirrors at the border, the module pads zeros
    assert np.abs(got - want)[inner].max() < 1e-4 * np.ptp(want)


def test_networks_of_bytes_and_of_normalised_values_keep_winograd(tmp_path: Path) -> None:
    scaled = [{"name": "scale_linear", "gain": 1 / 65535, "offset": 0.0}]
    for name, given in {
        "bytes": {"input_dtype": "uint8", "preprocessing": [
            {"name": "scale_linear", "gain": 1 / 255, "offset": 0.0}]},
        "scaled": {"input_dtype": "uint16", "preprocessing": scaled},
        "floats": {"input_dtype": "float32"},
    }.items():  # fmt: skip
        path = tmp_path / f"{name}.pyengine"
        report = pyengine.build(saturating(), path, (1, 1, 64, 64), **given)
        assert report.notes == ()
        assert "winograd" in [row.algorithm for row in pyengine.Engine(path).profile(64, 64, 1)]


@pytest.mark.parametrize(("accuracy", "factor"), [("default", 40), ("fast", 400)])
def test_winograd_rounds_within_its_bound(tmp_path: Path, accuracy: str, factor: float) -> None:
    """An output differs by at most `factor` roundings of the patch's largest value.

    Times the sum of the absolute weights that meet it: docs/reliability.md.
    """
    torch.manual_seed(3)
    network = nn.Sequential(nn.Conv2d(1, 16, 1), nn.Conv2d(16, 16, 3, padding=1))
    pyengine.build(network, path := tmp_path / "x.pyengine", (1, 1, 64, 64))
    engine = pyengine.Engine(path, accuracy=accuracy, device="cpu")
    image = spiked().astype(np.float32)
    with torch.no_grad():
        double = network.double()
        features = double[0](torch.from_numpy(image.astype(np.float64))[None, None])
        want = double[1](features)[0].numpy()
        weights = double[1].weight.abs().sum((1, 2, 3)).numpy()
    error = np.abs(engine.segment(image, output="logits") - want)[:, 4:-4, 4:-4]
    largest = float(features.abs().max())
    assert (error <= factor * 2**-24 * largest * weights[:, None, None]).all()
