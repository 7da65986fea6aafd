"""TensorRT plans: the ONNX they are built from, which layers stay in float32, and the engine file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from test_operators import CASES
from torch import nn

import pyengine
from pyengine import _core
from pyengine.builder.container import deserialize, serialize
from pyengine.builder.onnx_export import export_onnx
from pyengine.builder.onnx_write import INPUT
from pyengine.builder.precision import choose_layers
from pyengine.inputs.source import random_samples
from pyengine.shipped import resolve


def parts(path: Path):
    """Graph and weights of an engine file."""
    _, graph, tensors = deserialize(path.read_bytes())
    return graph, {n: t for n, t in tensors.items() if t.dtype != np.uint8}


def run_onnx(model, x):
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    kind = np.float16 if "16" in session.get_inputs()[0].type else np.float32
    return session.run(None, {INPUT: x.astype(kind)})[0]


def all_half(graph):
    return {node["name"]: "float16" for node in json.loads(graph)["nodes"]}


def rtx_missing() -> str:
    status = next(s for s in pyengine.executors() if s.name == "tensorrt-rtx")
    return status.why_no_build


needs_rtx = pytest.mark.skipif(bool(rtx_missing()), reason=rtx_missing())


def test_container_round_trip():
    data = resolve("retinal-vessels").read_bytes()
    assert serialize(*deserialize(data)) == data


@pytest.mark.parametrize("name", CASES)
def test_exported_onnx_computes_what_the_engine_computes(name, tmp_path):
    shape = (1, 3, 48, 40)
    torch.manual_seed(3)
    path = tmp_path / "e.pyengine"
    try:
        pyengine.build(CASES[name].eval(), path, sample_shape=shape, task="classification")
    except ValueError:
        pytest.skip("this case needs another sample shape; test_operators has it")
    engine = pyengine.Engine(path)
    graph, weights = parts(path)
    x = random_samples(shape)[0]
    want = engine.run(x)
    assert not engine.info.manifest["head"]["in_network"]
    spread = np.ptp(want)
    # Both sum the same products in another order; see test_operators.
    assert (
        np.abs(run_onnx(export_onnx(json.loads(graph), weights), x) - want).max() <= 1e-4 * spread
    )
    # Every layer rounds its result to 11 bits; a handful of layers stays far below 2 %.
    half = run_onnx(export_onnx(json.loads(graph), weights, all_half(graph)), x)
    assert np.abs(half - want).max() <= 2e-2 * spread


class Scaled(nn.Module):
    """Computes the same as `inner`, on values `factor` times as large in the middle."""

    def __init__(self, factor: float):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(1, 8, 3, padding=1)
        self.middle = nn.Conv2d(8, 8, 3, padding=1)
        self.last = nn.Conv2d(8, 2, 1)
        with torch.no_grad():
            self.middle.weight *= factor
            self.last.weight /= factor

    def forward(self, x):
        return self.last(torch.relu(self.middle(torch.relu(self.first(x)))))


def chosen(module, tmp_path, tolerance=None):
    path = tmp_path / "n.pyengine"
    pyengine.build(module.eval(), path, sample_shape=(1, 1, 32, 32))
    return choose_layers(*parts(path), random_samples((1, 1, 32, 32)), tolerance=tolerance)


def test_a_network_within_range_is_all_float16(tmp_path):
    report = chosen(Scaled(1.0), tmp_path)
    assert report.passed
    assert report.float32_layers == {}
    assert 0 < report.relative_error < 5e-3
    assert report.label_agreement > 0.99


def test_layers_beyond_the_range_of_float16_stay_in_float32(tmp_path):
    path = tmp_path / "n.pyengine"
    pyengine.build(Scaled(1e6).eval(), path, sample_shape=(1, 1, 32, 32))
    samples = random_samples((1, 1, 32, 32))
    graph, weights = parts(path)
    assert not np.isfinite(
        run_onnx(export_onnx(json.loads(graph), weights, all_half(graph)), samples[0])
    ).all()
    report = choose_layers(graph, weights, samples)
    assert report.passed
    names = [node["name"] for node in json.loads(graph)["nodes"]]
    # The first convolution and its activation stay in float16, all that meets large values not.
    assert list(report.float32_layers) == names[2:]
    assert all("exceed float16's 65504" in why for why in report.float32_layers.values())
    mixed = run_onnx(export_onnx(json.loads(graph), weights, report.types), samples[0])
    assert np.isfinite(mixed).all()


class Cancelling(nn.Module):
    """Small differences of values near 1000, which float16 keeps to half a unit only."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.lift = nn.Conv2d(1, 4, 1)
        self.lower = nn.Conv2d(4, 2, 1)
        with torch.no_grad():
            self.lift.bias += 1000
            self.lower.bias -= 1000 * self.lower.weight.sum((1, 2, 3))

    def forward(self, x):
        return self.lower(self.lift(x))


def test_layers_that_cost_accuracy_stay_in_float32(tmp_path):
    report = chosen(Cancelling(), tmp_path)
    assert report.passed
    assert report.float32_layers
    assert all("alone in float16" in why for why in report.float32_layers.values())
    loose = chosen(Cancelling(), tmp_path, tolerance=10.0)
    assert loose.float32_layers == {}
    assert loose.relative_error > 1e-2


def test_float16_is_refused_where_even_float32_is_not_finite(tmp_path):
    path = tmp_path / "n.pyengine"
    pyengine.build(Scaled(1.0).eval(), path, sample_shape=(1, 1, 32, 32))
    graph, weights = parts(path)
    sample = np.full((1, 1, 32, 32), np.inf, np.float32)
    with pytest.raises(ValueError, match="NaN or infinity"):
        choose_layers(graph, weights, [sample])
    with pytest.raises(ValueError, match="at least one sample"):
        choose_layers(graph, weights, [])


def test_int8_quantises_convolutions_and_tells_by_how_much(tmp_path):
    path = resolve("retinal-vessels")
    graph, weights = parts(path)
    rng = np.random.default_rng(1)
    samples = [rng.standard_normal((1, 3, 128, 128), dtype=np.float32)]
    report = choose_layers(graph, weights, samples, "int8")
    assert report.passed
    nodes = {node["name"]: node for node in json.loads(graph)["nodes"]}
    assert len(report.int8_layers) > 10
    assert all(nodes[name]["in_channels"] % 4 == 0 for name in report.int8_layers)
    fp16 = choose_layers(graph, weights, samples)
    assert fp16.relative_error < report.relative_error <= 5e-2
    # A tighter bound keeps the worst layers in float16, and says why.
    tight = choose_layers(graph, weights, samples, "int8", report.relative_error / 2)
    assert tight.relative_error <= report.relative_error / 2
    assert set(tight.int8_layers) < set(report.int8_layers)
    assert all("alone in int8" in why for why in tight.float16_layers.values())


def test_int8_weights_have_a_step_for_each_output_channel(tmp_path):
    path = tmp_path / "n.pyengine"
    torch.manual_seed(4)
    up = nn.ConvTranspose2d(8, 12, 2, stride=2)
    with torch.no_grad():  # one loud channel must not cost the others their steps
        up.weight[:, 0] *= 1000
    net = nn.Sequential(nn.Conv2d(4, 8, 3, padding=1), up, nn.Conv2d(12, 4, 1))
    pyengine.build(net.eval(), path, sample_shape=(1, 4, 32, 32), task="classification")
    graph, weights = parts(path)
    report = choose_layers(graph, weights, random_samples((1, 4, 32, 32)), "int8", 1.0)
    assert len(report.int8_layers) == 3
    model = export_onnx(json.loads(graph), weights, report.types, report.scales)
    constants = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    for node in model.graph.node:
        if not node.output[0].endswith(".weights"):
            continue
        whole, step, zero = (constants[x] for x in node.input)
        assert whole.dtype == np.int8
        assert not zero.any()
        (axis,) = (a.i for a in node.attribute if a.name == "axis")
        name = node.name.partition(".")[0]
        want = weights[json.loads(graph)["nodes"][int(name[1:])]["weight"]]
        step = np.expand_dims(step.astype(np.float32), [i for i in range(4) if i != axis])
        # Half a step, and the rounding of the steps themselves to float16.
        assert (np.abs(whole * step - want) <= 0.5 * step + 1e-3 * np.abs(want)).all()
        assert (np.abs(whole).max(axis=tuple(i for i in range(4) if i != axis)) == 127).all()


def key(**changes):
    return {
        "flavour": "tensorrt", "version": "11.1.0", "compute_capability": "9.0",
        "gpu": "NVIDIA H200", "precision": "fp16", "onnx_sha256": "ab", "min_size_px": [96, 96],
        "max_size_px": [608, 608], "max_batch": 8,
    } | changes  # fmt: skip


def test_mismatch_names_field_and_both_values():
    assert _core.plan_mismatch(key(), key()) == ""
    assert _core.plan_mismatch(key(version="11.0.0"), key()) == (
        "version: the plan has 11.0.0, this needs 11.1.0"
    )


def test_executors_tell_why_they_cannot_run():
    found = {s.name: s for s in pyengine.executors()}
    assert list(found) == ["tensorrt", "tensorrt-rtx", "cpu"]
    assert found["cpu"].why_not == ""
    assert found["cpu"].detail in _core.isas()
    assert found["tensorrt"].why_not


@pytest.mark.skipif(not rtx_missing(), reason="TensorRT for RTX is here")
def test_without_the_library_nothing_is_written_and_the_reason_is_told(tmp_path):
    with pytest.raises(pyengine.UnsupportedError, match="library not found|without TensorRT's"):
        pyengine.build_plan("retinal-vessels", tmp_path / "x.pyengine", executor="tensorrt-rtx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"executor": "cuda"}, "executor 'cuda' builds no plans"),
        ({"precision": "int4"}, "precision must be"),
        ({"precision": "int8"}, "int8 needs images"),
        ({"tile": 0}, "tile must be"),
        ({"batch_size": 0}, "batch_size must be"),
        ({"path": "/nonexistent/x.pyengine"}, "no such folder"),
        ({"path": None}, "ships with pyengine"),
    ],
)
def test_bad_arguments(options, message, tmp_path):
    options = {"path": tmp_path / "x.pyengine"} | options
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        pyengine.build_plan("retinal-vessels", **options)


@needs_rtx
@pytest.mark.parametrize("name", pyengine.engines())
def test_plans_of_shipped_engines_build_without_a_gpu(name, tmp_path):
    path = tmp_path / "x.pyengine"
    report = pyengine.build_plan(name, path, executor="tensorrt-rtx", batch_size=4)
    assert report.key["gpu"] == report.key["compute_capability"] == "any"
    assert report.key["max_batch"] == 4
    assert report.precision is not None
    assert report.precision.passed
    assert "Engine generation completed" in report.log
    # The file still is the engine it was.
    rng = np.random.default_rng(0)
    channels = pyengine.Engine(name).info.input["channels"]
    image = rng.integers(0, 256, (70, 81) if channels == 1 else (70, 81, channels), np.uint8)
    labels = [pyengine.Engine(source).segment(image) for source in (name, path)]
    np.testing.assert_array_equal(*labels)


@needs_rtx
def test_several_plans_live_side_by_side_and_an_equal_one_is_replaced(tmp_path):
    path = tmp_path / "x.pyengine"
    path.write_bytes(resolve("retinal-vessels").read_bytes())
    for options in ({}, {"precision": "fp32"}, {"tile": 256}, {}):
        pyengine.build_plan(path, executor="tensorrt-rtx", **options)
    manifest, _, tensors = deserialize(path.read_bytes())
    keys = [(p["key"]["precision"], p["key"]["max_size_px"]) for p in manifest["plans"]]
    assert sorted(keys) == [("fp16", [352, 352]), ("fp16", [608, 608]), ("fp32", [608, 608])]
    # Two precisions are two networks, which the plans share.
    assert len([t for t in tensors if t.endswith(".onnx")]) == 2
    assert all(p["plan"] in tensors and p["onnx"] in tensors for p in manifest["plans"])


@needs_rtx
def test_int8_plans_build_without_a_gpu(tmp_path):
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (300, 280, 3), np.uint8)]
    path = tmp_path / "x.pyengine"
    report = pyengine.build_plan(
        "retinal-vessels", path, executor="tensorrt-rtx", precision="int8", images=images
    )
    assert report.key["precision"] == "int8"
    assert report.precision is not None
    assert report.precision.int8_layers


@needs_rtx
@pytest.mark.parametrize("name", CASES)
def test_every_operator_builds(name, tmp_path):
    path = tmp_path / "e.pyengine"
    try:
        pyengine.build(CASES[name].eval(), path, sample_shape=(1, 3, 48, 40))
    except ValueError:
        pytest.skip("this case needs another sample shape; test_operators has it")
    report = pyengine.build_plan(path, executor="tensorrt-rtx", tile=64, batch_size=2)
    assert report.plan_bytes > 0


@needs_rtx
def test_a_network_that_overflows_builds_with_layers_in_float32(tmp_path):
    path = tmp_path / "n.pyengine"
    pyengine.build(Scaled(1e6).eval(), path, sample_shape=(1, 1, 32, 32))
    report = pyengine.build_plan(path, executor="tensorrt-rtx", tile=64)
    assert report.precision is not None
    assert len(report.precision.float32_layers) == 3
    assert pyengine.Engine(path).info.manifest["plans"][0]["parity"]["float32_layers"]
