"""Networks that the CPU engine does not run, kept as ONNX for onnxruntime behind the same tiler."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import random_image
from torch import nn

import pyengine

pytest.importorskip("onnxruntime")

SHAPE = (1, 1, 32, 32)


class Attention(nn.Module):
    """A transformer over patches of 8 px: every pixel sees the whole image."""

    def __init__(self, outputs: int = 3) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed, self.qkv = nn.Conv2d(1, 16, 8, 8), nn.Linear(16, 48)
        self.up = nn.ConvTranspose2d(16, outputs, 8, 8)

    def forward(self, x):
        tokens = self.embed(x)
        n, c, h, w = tokens.shape
        flat = tokens.flatten(2).transpose(1, 2)
        q, k, v = self.qkv(flat).chunk(3, 2)
        mixed = flat + torch.softmax(q @ k.transpose(1, 2) / 4, 2) @ v
        return self.up(mixed.transpose(1, 2).reshape(n, c, h, w))


class Sorted(nn.Module):
    """Local, but with an operator that the CPU engine lacks."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last = nn.Conv2d(1, 6, 3, padding=1), nn.Conv2d(6, 2, 3, padding=1)

    def forward(self, x):
        return torch.softmax(self.last(self.first(x).sort(1)[0]), 1)


def run(net: nn.Module, x: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return net(torch.from_numpy(x)).numpy()


def test_a_transformer_builds_and_runs_as_the_source_does(tmp_path: Path) -> None:
    path, net = tmp_path / "x.pyengine", Attention().eval()
    report = pyengine.build(net, path, SHAPE, classes=["a", "b", "c"])
    assert report.passed
    assert report.relative_error < 1e-5
    engine = pyengine.Engine(path)
    assert engine.info.executor == "onnxruntime"
    assert "operator" in engine.info.why_not_cpu
    assert not engine.info.tileable
    assert engine.info.alignment == 8
    image = random_image(np.random.default_rng(0), 48, 56, dtype=np.float32)
    want = run(net, image[None, None])[0]
    got = engine.segment(image, output="logits")
    np.testing.assert_allclose(got, want, atol=1e-5 * np.ptp(want))
    np.testing.assert_array_equal(engine.segment(image), got.argmax(0))
    assert engine.segment(image[:41, :53]).shape == (41, 53)  # mirrored up to what it takes
    assert engine.segment(image, mode="gaussian", tile=32).shape == (48, 56)
    assert pyengine.verify(path, net).passed
    with pytest.raises(pyengine.UnsupportedError, match="how far its pixels see is not known"):
        engine.plan(48, 56)
    assert pyengine.Engine(path, threads=1).info.threads == 1


def test_the_cpu_engine_says_what_it_lacks_and_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "x.pyengine"
    with pytest.raises(pyengine.UnsupportedError, match="operator"):
        pyengine.build(Attention(), path, SHAPE, executor="cpu")
    pyengine.build(Attention(), path, SHAPE)
    words = r"keeps its network as ONNX.*operator.*pip install .pyengine\[onnxruntime\].*in C, only"
    with pytest.raises(pyengine.UnsupportedError, match=words):
        pyengine.Engine(path, executor="cpu")
    code = (
        "import sys; sys.modules['onnxruntime'] = None; import pyengine\n"
        f"try: pyengine.Engine({str(path)!r})\n"
        "except ImportError as error: print(error)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 'pip install "pyengine[onnxruntime]"' in said.stdout
    plan = tmp_path / "plan.pyengine"
    with pytest.raises((pyengine.UnsupportedError, pyengine.EngineError)):
        pyengine.build_plan(path, plan, executor="tensorrt-rtx")


def test_exact_tiles_need_a_halo_that_holds(tmp_path: Path) -> None:
    path, net = tmp_path / "x.pyengine", Sorted().eval()
    pyengine.build(net, path, SHAPE)
    assert not pyengine.Engine(path).info.tileable
    with pytest.raises(pyengine.UnsupportedError, match=r"halo=1: halo of \(1, 1\) px"):
        pyengine.build(net, path, SHAPE, halo=1)
    with pytest.raises(pyengine.UnsupportedError, match="halo=4: halo of"):
        pyengine.build(Attention(), path, SHAPE, halo=4, alignment=8)
    pyengine.build(net, path, SHAPE, halo=2)
    engine = pyengine.Engine(path)
    assert (engine.info.tileable, engine.info.halo, engine.info.alignment) == (True, 2, 1)
    image = random_image(np.random.default_rng(0), 61, 47, dtype=np.float32)
    want = run(net, np.pad(image, 8, mode="reflect")[None, None])[0, :, 8:-8, 8:-8]
    for tile in (None, 16):
        got = engine.segment(image, output="probabilities", tile=tile)
        np.testing.assert_allclose(got, want, atol=1e-5)
    np.save(tmp_path / "image.npy", image)
    engine.segment_file(tmp_path / "image.npy", tmp_path / "labels.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "labels.npy"), engine.segment(image))


def test_either_executor_may_be_asked_for(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 1))
    image = random_image(np.random.default_rng(0), 40, 40, dtype=np.float32)
    kept, forced, plain = (tmp_path / f"{name}.pyengine" for name in ("kept", "forced", "plain"))
    pyengine.build(net, plain, SHAPE)
    pyengine.build(net, kept, SHAPE, store_onnx=True)
    pyengine.build(net, forced, SHAPE, executor="onnxruntime", halo=1)
    want = pyengine.Engine(plain).segment(image, output="logits")
    assert pyengine.Engine(kept).info.executor == "cpu"
    for path in (kept, forced):
        engine = pyengine.Engine(path, executor="onnxruntime")
        assert engine.info.executor == "onnxruntime"
        np.testing.assert_allclose(engine.segment(image, output="logits"), want, atol=1e-5)
    with pytest.raises(pyengine.UnsupportedError, match="keeps no ONNX for onnxruntime"):
        pyengine.Engine(plain, executor="onnxruntime")


def test_several_outputs_and_classifiers(tmp_path: Path) -> None:
    class Two(Attention):
        def forward(self, x):
            y = super().forward(x)
            return torch.sigmoid(y[:, :1]), nn.functional.avg_pool2d(y[:, 1:], 4)

    path, net = tmp_path / "x.pyengine", Two().eval()
    pyengine.build(net, path, SHAPE, output_name=["output0", "output1"])
    engine = pyengine.Engine(path)
    image = random_image(np.random.default_rng(0), 40, 48, dtype=np.float32)
    first, second = engine.segment(image, output=("output0", "output1"))
    with torch.inference_mode():
        want = net(torch.from_numpy(image)[None, None])
    np.testing.assert_allclose(first, want[0][0].numpy(), atol=1e-5)
    np.testing.assert_allclose(second, want[1][0].numpy(), atol=1e-5)

    class Classifier(Attention):
        def forward(self, x):
            return super().forward(x).sort(1)[0].mean((2, 3))

    net = Classifier().eval()
    pyengine.build(net, path, SHAPE)
    engine = pyengine.Engine(path)
    assert engine.info.task == "classification"
    image = image[:32, :32]
    logits = run(net, image[None, None])
    want = torch.softmax(torch.from_numpy(logits), 1)[0].numpy()
    np.testing.assert_allclose(engine.classify(image).probabilities, want, atol=1e-5)


def test_the_command_line_builds_and_runs_it(tmp_path: Path, capsys) -> None:
    from pyengine.cli import main

    source, path = tmp_path / "net.onnx", tmp_path / "x.pyengine"
    torch.onnx.export(
        Attention().eval(), (torch.zeros(SHAPE),), str(source), dynamo=False,
        input_names=["image"], dynamic_axes={"image": {2: "h", 3: "w"}},
    )  # fmt: skip
    shape = ["--sample-shape", "1,1,32,32"]
    assert main(["build", str(source), "-o", str(path), *shape, "--executor", "cpu"]) == 2
    assert main(["build", str(source), "-o", str(path), *shape]) == 0
    capsys.readouterr()
    assert main(["info", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "onnxruntime, " in shown
    assert "operators that the CPU engine lacks: " in shown
    image = random_image(np.random.default_rng(0), 32, 40)
    np.save(tmp_path / "a.npy", image)
    command = ["segment", str(tmp_path / "a.npy"), "-e", str(path), "-o", str(tmp_path / "b.npy")]
    assert main(command) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "b.npy"), pyengine.Engine(path).segment(image))
