"""What a build proves beyond the sample: other sizes, other values, the context of tiles."""

from __future__ import annotations

import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import random_image
from torch import nn
from torch.nn import functional as F

import pyengine
from pyengine.context_probe import probe

SHAPE = (1, 1, 32, 32)


def convolution(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 2, 3, padding=1))


class WorkingSize(nn.Module):
    """Resizes every image to one size, and back."""

    def __init__(self) -> None:
        super().__init__()
        self.net = convolution()

    def forward(self, x):
        y = self.net(F.interpolate(x, (64, 64), mode="bilinear"))
        return F.avg_pool2d(y, 2) if x.shape[2:] == (32, 32) else F.interpolate(y, x.shape[2:])


class BakedPooling(nn.Module):
    """Weighs planes by a sum, for which an exporter writes the sample's number of rows down."""

    def __init__(self) -> None:
        super().__init__()
        self.net = convolution()

    def forward(self, x):
        y = self.net(x)
        return y * (y.mean((2, 3), keepdim=True) * float(x.shape[2]))


class Branch(nn.Module):
    """Decides by pixel values; a trace takes one way."""

    def __init__(self) -> None:
        super().__init__()
        self.net = convolution()

    def forward(self, x):
        y = self.net(x)
        return y * 3 if x.mean() > 0.5 else y


class SizeCheck(nn.Module):
    """Decides by sizes, as networks do that refuse some: of no consequence."""

    def __init__(self) -> None:
        super().__init__()
        self.net = convolution()

    def forward(self, x):
        if x.shape[2] % 2 != 0 or x.shape[3] % 2 != 0:
            raise RuntimeError("sizes must be even")
        return self.net(x)


def test_a_fixed_working_size_is_marked_and_refused_at_others(tmp_path: Path) -> None:
    path = tmp_path / "x.pyengine"
    net = WorkingSize()
    with pytest.warns(pyengine.FixedSizeWarning, match="for images of 32 x 32 px alone"):
        report = pyengine.build(net, path, SHAPE, executor="cpu")
    assert "px" in report.fixed_size
    engine = pyengine.Engine(path)
    assert engine.info.input["fixed_size"] is True
    assert not engine.info.tileable
    rng = np.random.default_rng(0)
    image = random_image(rng, 32, 32, dtype=np.float32)
    with torch.inference_mode():
        want = net(torch.from_numpy(image)[None, None])[0].numpy()
    np.testing.assert_allclose(engine.segment(image, output="logits"), want, atol=1e-5)
    for size in ((32, 40), (16, 16)):
        with pytest.raises(pyengine.UnsupportedError, match="for images of 32 x 32 px, the image"):
            engine.segment(random_image(rng, *size, dtype=np.float32))
    with pytest.raises(ValueError, match="takes 32 x 32 alone"):
        engine.run(np.zeros((1, 1, 64, 64), np.float32))
    # Windows of that size stay, also on images that are smaller.
    large = random_image(rng, 70, 50, dtype=np.float32)
    large[:32, :32] = image
    blended = engine.segment(large, mode="constant", overlap=0, output="logits")
    np.testing.assert_allclose(blended[:, :18, :18], want[:, :18, :18], atol=1e-5)
    assert engine.segment(image[:20, :20], mode="gaussian").shape == (20, 20)


def test_networks_without_tiles_are_compared_at_a_second_size(tmp_path: Path) -> None:
    path = tmp_path / "x.pyengine"
    said = "at 33 x 33 px it differs by .* of the range from its source network"
    with pytest.warns(pyengine.FixedSizeWarning, match=said):
        pyengine.build(BakedPooling(), path, SHAPE, executor="cpu")
    with pytest.raises(pyengine.UnsupportedError, match="for images of 32 x 32 px"):
        pyengine.Engine(path).segment(np.zeros((40, 40), np.float32))


def test_corners_that_are_aligned_make_it_a_network_of_whole_images(tmp_path: Path) -> None:
    """Common in segmentation, and exact in one piece alone: that is said, and so computed."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1), nn.MaxPool2d(2), nn.Conv2d(6, 6, 3, padding=1), nn.ReLU(),
        nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True), nn.Conv2d(6, 2, 1),
    )  # fmt: skip
    path = tmp_path / "x.pyengine"
    pyengine.build(net, path, SHAPE)
    engine = pyengine.Engine(path)
    assert not engine.info.tileable
    assert "align_corners=True stretches with the size" in engine.info.not_tileable_reason
    told = []
    for size in ((32, 32), (48, 80)):
        image = random_image(np.random.default_rng(0), *size, dtype=np.float32)
        with torch.inference_mode():
            want = net(torch.from_numpy(image)[None, None])[0].numpy()
        got = engine.segment(image, output="logits", progress=lambda *of: told.append(of))
        np.testing.assert_allclose(got, want, atol=1e-5)
    assert told == [(1, 1), (1, 1)]
    with pytest.raises(pyengine.CancelledError):
        engine.segment(image, progress=lambda done, total: False)


@pytest.mark.parametrize("free", [True, False])
def test_onnx_files_are_compared_at_a_second_size(tmp_path: Path, free: bool) -> None:
    def export(net: nn.Module, name: str) -> Path:
        axes = {"image": {2: "h", 3: "w"}} if free else None
        torch.onnx.export(
            net, (torch.zeros(SHAPE),), str(tmp_path / name), dynamo=False,
            input_names=["image"], dynamic_axes=axes,
        )  # fmt: skip
        return tmp_path / name

    path = tmp_path / "x.pyengine"
    # Nothing in it depends on the size, whatever its axes say.
    with warnings.catch_warnings():
        warnings.simplefilter("error", pyengine.FixedSizeWarning)
        pyengine.build(export(convolution(), "plain.onnx"), path, SHAPE)
    assert pyengine.Engine(path).info.tileable
    with pytest.warns(pyengine.FixedSizeWarning):
        pyengine.build(export(WorkingSize(), "fixed.onnx"), path, SHAPE, executor="cpu")
    assert not pyengine.Engine(path).info.tileable


def test_decisions_by_pixel_values_refuse_the_build(tmp_path: Path) -> None:
    path = tmp_path / "x.pyengine"
    said = r"Branch: the network decides by the values of pixels.*test_proofs\.py:\d+: Converting a"
    with pytest.raises(ValueError, match=said):
        pyengine.build(Branch(), path, SHAPE)
    assert not path.exists()
    with pytest.warns(UserWarning, match=said):
        pyengine.build(Branch(), path, SHAPE, allow_tracer_warnings=True)
    pyengine.build(SizeCheck(), path, SHAPE)
    assert pyengine.Engine(path).info.tileable


def test_the_first_layer_that_departs_is_named(tmp_path: Path, monkeypatch) -> None:
    from pyengine.builder.ops import IMPORT

    right = IMPORT["LeakyRelu"]

    def wrong(w, node, a):
        right(w, node, {"alpha": 0.5})

    monkeypatch.setitem(IMPORT, "Relu", wrong)
    with pytest.raises(
        ValueError, match=r"it first departs at layer '/1/Relu' \(activation\), by "
    ):
        pyengine.build(convolution(), tmp_path / "x.pyengine", SHAPE)


# ---- context ------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [None, (40, 40), (12, 16)])
def test_a_context_that_is_too_small_is_seen(size) -> None:
    def shifted(x):  # needs 6 px below and right
        return np.ascontiguousarray(np.pad(x, ((0, 0), (0, 0), (0, 6), (0, 6)))[:, :, 6:, 6:] + x)

    geometry = {"before": 2, "after": 6, "alignment": 2, "margin": 0}
    assert probe(shifted, geometry, 1, size) == ""
    said = probe(shifted, geometry | {"after": 4}, 1, size)
    assert said.startswith("halo of (2, 4) px")

    def pooled(x):
        return x[:, :, ::2, ::2].repeat(2, 2).repeat(2, 3)

    odd = geometry | {"before": 3, "after": 3, "alignment": 3}
    if size != (12, 16):
        assert probe(pooled, geometry, 1, size) == ""
        assert "alignment 3 px" in probe(pooled, odd, 1, (39, 39))


def test_the_check_of_the_context_is_bounded_by_the_sample(tmp_path: Path) -> None:
    """Six halvings need more context than the sample has pixels."""
    sizes = []

    class Deep(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.down = nn.ModuleList(
                nn.Conv2d(1 if i == 0 else 4, 4, 3, padding=1) for i in range(6)
            )
            self.up = nn.Conv2d(4, 2, 3, padding=1)

        def forward(self, x):
            sizes.append(tuple(x.shape[2:]))
            skips = []
            for conv in self.down:
                x = F.max_pool2d(conv(x).relu(), 2)
                skips.append(x)
            for _ in self.down:
                x = F.interpolate(x, scale_factor=2)
            return self.up(x)

    pyengine.build(Deep(), tmp_path / "x.pyengine", (1, 1, 128, 128))
    engine = pyengine.Engine(tmp_path / "x.pyengine")
    assert engine.info.halo >= 128
    assert max(max(size) for size in sizes) <= 192


BUILD_U2NET = """
import resource, sys, torch
sys.path.append(sys.argv[1])
from networks.u2net import U2Net
import pyengine
torch.manual_seed(0)
report = pyengine.build(U2Net().eval(), sys.argv[2], (1, 3, 320, 320))
assert report.passed
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.networks
@pytest.mark.skipif(sys.platform != "linux", reason="counts memory in kilobytes")
def test_u2net_is_built_at_its_real_size_within_4_gb(tmp_path: Path) -> None:
    """Its context of 3,296 px on each side is not computed on an image that holds it."""
    path, tests = tmp_path / "x.pyengine", Path(__file__).parents[1]
    built = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", BUILD_U2NET, str(tests), str(path)],
        capture_output=True, text=True,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    assert int(built.stdout) << 10 < 4_000_000_000
    info = pyengine.Engine(path).info
    assert info.tileable
    assert info.halo == 3296


def test_a_build_costs_a_few_inferences(tmp_path: Path) -> None:
    net = nn.Sequential(
        nn.Conv2d(1, 32, 7, padding=3), nn.ReLU(),
        *(layer for _ in range(6) for layer in (nn.Conv2d(32, 32, 7, padding=3), nn.ReLU())),
        nn.Conv2d(32, 2, 1),
    )  # fmt: skip
    calls = []
    net.register_forward_hook(lambda _m, _i, _o: calls.append(time.perf_counter()))
    pyengine.build(net, tmp_path / "x.pyengine", (1, 1, 96, 96))
    # The trace, the outputs' shapes, three samples, a second size, and three of the context.
    assert len(calls) <= 9


# ---- callables ----------------------------------------------------------------------------------


def test_a_callable_that_sees_further_has_no_exact_tiles(tmp_path: Path) -> None:
    """An engine of one pixel's context stands in for a network that looks around."""
    stand_in = tmp_path / "x.pyengine"
    pyengine.build(nn.Conv2d(1, 2, 1), stand_in, (1, 1, 8, 8))
    net = convolution()

    @torch.inference_mode()
    def run(x):
        return net(torch.from_numpy(x)).numpy()

    image = random_image(np.random.default_rng(0), 50, 60, dtype=np.float32)
    engine = pyengine.Engine(stand_in, executor=run)
    with pytest.raises(pyengine.UnsupportedError, match=r"the callable has no exact tiles: halo"):
        engine.segment(image)
    assert engine.segment(image, mode="gaussian").shape == (50, 60)
    with pytest.raises(pyengine.UnsupportedError, match="no exact tiles"):
        pyengine.Engine(stand_in, executor=run, halo=1).segment(image)
    engine = pyengine.Engine(stand_in, executor=run, halo=2)
    assert engine.info.tileable
    assert engine.info.halo == 2
    whole = engine.segment(image, output="logits", tile=64)
    np.testing.assert_allclose(engine.segment(image, output="logits", tile=16), whole, atol=1e-6)
    pad = np.pad(image, 8, mode="reflect")
    np.testing.assert_allclose(whole, run(pad[None, None])[0, :, 8:-8, 8:-8], atol=1e-5)
    for wrong, words in [
        (dict(halo=-1), "halo must be >= 1"), (dict(alignment=4), "needs its halo="),
        (dict(halo=1.5), "halo must be a whole number"),
    ]:  # fmt: skip
        with pytest.raises((ValueError, TypeError), match=words):
            pyengine.Engine(stand_in, executor=run, **wrong)
    with pytest.raises(ValueError, match="belong to an executor that is a callable"):
        pyengine.Engine(stand_in, halo=4)


# ---- memory -------------------------------------------------------------------------------------


def test_a_memory_limit_that_costs_time_is_told(tmp_path: Path) -> None:
    torch.manual_seed(0)
    layers = [nn.Conv2d(32 if i else 1, 32, 3, padding=1) for i in range(8)]
    pyengine.build(nn.Sequential(*layers, nn.Conv2d(32, 2, 1)), tmp_path / "x.pyengine", SHAPE)
    engine = pyengine.Engine(tmp_path / "x.pyengine", threads=1)
    image = random_image(np.random.default_rng(0), 96, 96, dtype=np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        want = engine.segment(image, output="logits")
    with pytest.warns(pyengine.SlowPlanWarning, match=r"max_memory=700000 cuts 96 x 96 px") as told:
        got = engine.segment(image, output="logits", max_memory=700_000)
    np.testing.assert_array_equal(got, want)
    enough = int(str(told[0].message).split("max_memory=")[2].split()[0])
    assert engine.plan(96, 96, max_memory=enough).slowdown < 1.3
    assert engine.plan(96, 96, max_memory=700_000).slowdown > 2


# ---- frozen statistics --------------------------------------------------------------------------


def test_frozen_statistics_of_one_image_are_its_own() -> None:
    from pyengine.builder.departure import _run_up_to
    from pyengine.builder.frozen import freeze_statistics
    from pyengine.builder.onnx_import import import_onnx
    from pyengine.inputs import load_source

    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1), nn.InstanceNorm2d(6, affine=True), nn.ReLU(),
        nn.Conv2d(6, 4, 3, padding=1), nn.InstanceNorm2d(4), nn.Conv2d(4, 2, 1),
    )  # fmt: skip
    with torch.no_grad():
        net[1].weight.uniform_(0.5, 2)
        net[1].bias.normal_()
    source = load_source(net, SHAPE)
    rng = np.random.default_rng(0)
    images = [rng.standard_normal(SHAPE, dtype=np.float32) * (i + 1) for i in range(3)]

    def frozen(samples):
        graph = import_onnx(source.model, SHAPE)
        assert freeze_statistics(graph, source.model, samples) == 2
        graph.simplify()
        assert [node["op"] for node in graph.nodes if node["op"] == "affine"] == []
        weights = {name: w.astype(np.float32) for name, w in graph.weights.items()}
        parts = {"input": {"name": graph.input_name, "channels": 1}, "nodes": graph.nodes}
        return lambda x: _run_up_to(parts, graph.output, weights, x)

    for image in images:
        with torch.inference_mode():
            want = net(torch.from_numpy(image)).numpy()
        np.testing.assert_allclose(frozen([image])(image), want, atol=1e-4)
    # Over several images it is one network for all of them: it commutes with moving the image.
    run = frozen(images)
    moved = np.roll(images[0], (3, 5), (2, 3))
    np.testing.assert_allclose(
        run(moved)[:, :, 10:-10, 10:-10], np.roll(run(images[0]), (3, 5), (2, 3))[:, :, 10:-10, 10:-10],
        atol=1e-5,
    )  # fmt: skip


def test_frozen_statistics_need_images_and_norms(tmp_path: Path) -> None:
    path = tmp_path / "x.pyengine"
    with pytest.raises(ValueError, match="measured over samples=: give network inputs"):
        pyengine.build(convolution(), path, SHAPE, statistics="frozen")
    samples = [np.zeros(SHAPE, np.float32)]
    with pytest.raises(ValueError, match="the network has no norm over the whole image"):
        pyengine.build(convolution(), path, SHAPE, statistics="frozen", samples=samples)
    assert not path.exists()


def test_frozen_statistics_give_exact_tiles(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1), nn.InstanceNorm2d(6, affine=True), nn.ReLU(),
        nn.Conv2d(6, 8, 3, padding=1), nn.GroupNorm(2, 8), nn.LeakyReLU(), nn.Conv2d(8, 2, 1),
    )  # fmt: skip
    rng = np.random.default_rng(0)
    samples = [rng.standard_normal(SHAPE, dtype=np.float32) for _ in range(4)]
    live, frozen = tmp_path / "live.pyengine", tmp_path / "frozen.pyengine"
    pyengine.build(net, live, SHAPE)
    assert not pyengine.Engine(live).info.tileable
    report = pyengine.build(net, frozen, SHAPE, statistics="frozen", samples=samples)
    assert report.passed
    assert report.frozen["images"] == 4
    # Images of one kind have nearly the same statistics.
    assert 1e-6 < report.frozen["relative_error"] < 0.2
    assert report.frozen["label_agreement"] > 0.9
    engine = pyengine.Engine(frozen)
    assert (engine.info.tileable, engine.info.halo) == (True, 2)
    assert {layer.op for layer in engine.info.layers} == {"conv2d", "activation"}
    image = random_image(rng, 60, 70, dtype=np.float32)
    whole = engine.segment(image, output="logits", tile=(60, 72))
    np.testing.assert_array_equal(engine.segment(image, output="logits", tile=16), whole)
    assert engine.info.parity["frozen"]["images"] == 4
