"""What `build` can read: a list, and checkpoints that need no code of training."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import pyengine
from pyengine.inputs import INPUT_KINDS, InputKind, Source, SourceKeywords, load_source
from pyengine.inputs.checkpoint import read_checkpoint, write_checkpoint

SHAPE = (1, 1, 24, 20)
MANIFEST = {
    "task": "segmentation",
    "classes": [{"name": "a", "color": [0, 0, 0]}, {"name": "b", "color": [1, 2, 3]}],
    "input": {"dtype": "uint8", "preprocessing": []},
    "provenance": {"terms": "none"},
}


@pytest.fixture
def network() -> torch.nn.Module:
    torch.manual_seed(0)
    layers = [torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.BatchNorm2d(4), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers, torch.nn.Conv2d(4, 2, 3, padding=1))


def write(path: Path, network: torch.nn.Module) -> Path:
    write_checkpoint(path, network, SHAPE, network={}, manifest=MANIFEST, config={"system": "x"})
    return path


def test_a_checkpoint_is_the_engine_of_its_module(network, tmp_path) -> None:
    network.train()
    checkpoint = write(tmp_path / "net.pt", network)
    assert network.training
    report = pyengine.build(checkpoint, tmp_path / "a.pyengine")
    of_module = pyengine.build(network, tmp_path / "b.pyengine", sample_shape=SHAPE)
    assert report == of_module  # compared with the same answers of PyTorch itself
    a, b = pyengine.Engine(tmp_path / "a.pyengine"), pyengine.Engine(tmp_path / "b.pyengine")
    assert a.info.classes == ("a", "b")
    assert a.info.provenance["terms"] == "none"
    assert a.info.manifest["sha256"] == b.info.manifest["sha256"]
    image = np.random.default_rng(0).integers(0, 256, (50, 40), np.uint8)
    assert pyengine.verify(a, checkpoint).passed
    assert pyengine.verify(a, checkpoint, images=[image]).passed  # by its ONNX
    assert pyengine.verify(a, network).passed


def test_a_checkpoint_needs_no_code_of_training(tmp_path) -> None:
    from train.checkpoint import save_checkpoint
    from train.models import UNet, UNetConfig

    shape = UNetConfig(base_width=4, depth=2)
    save_checkpoint(tmp_path / "net.pt", UNet(shape), shape, MANIFEST, {"system": "x"})
    script = (
        "import sys; sys.modules['train'] = sys.modules['benchmarks'] = None\n"
        "from pyengine.cli import main\n"
        "sys.exit(main(['build', 'net.pt', '-o', 'net.pyengine']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert pyengine.Engine(tmp_path / "net.pyengine").info.classes == ("a", "b")


def test_parity_is_with_what_pytorch_answered(network, tmp_path) -> None:
    """An exporter's fault would be in the ONNX: a checkpoint with another network's is refused."""
    write(tmp_path / "net.pt", network)
    with torch.no_grad():
        network[3].bias.add_(1)
    write(tmp_path / "other.pt", network)
    mixed = torch.load(tmp_path / "net.pt", weights_only=True)
    mixed["onnx"] = torch.load(tmp_path / "other.pt", weights_only=True)["onnx"]
    torch.save(mixed, tmp_path / "mixed.pt")
    with pytest.raises(ValueError, match="differs from its source"):
        pyengine.build(tmp_path / "mixed.pt", tmp_path / "x.pyengine")
    assert not (tmp_path / "x.pyengine").exists()


def test_a_checkpoint_has_one_size(network, tmp_path) -> None:
    checkpoint = write(tmp_path / "net.pt", network)
    pyengine.build(checkpoint, tmp_path / "x.pyengine", sample_shape=SHAPE)
    with pytest.raises(ValueError, match=r"\(1, 1, 32, 32\) is not \(1, 1, 24, 20\)"):
        pyengine.build(checkpoint, tmp_path / "x.pyengine", sample_shape=(1, 1, 32, 32))


def test_checkpoints_of_the_version_before_are_written_anew(tmp_path) -> None:
    from conftest import ROOT

    from train.checkpoint import load_checkpoint, save_checkpoint
    from train.models import UNet, UNetConfig

    shape = UNetConfig(base_width=4, depth=2)
    save_checkpoint(tmp_path / "new.pt", UNet(shape), shape, MANIFEST, {"system": "x"})
    data = torch.load(tmp_path / "new.pt", weights_only=True)
    old = {k: data[k] for k in ("format", "network", "weights", "manifest", "config")}
    torch.save(old | {"version": 2}, tmp_path / "old.pt")
    assert load_checkpoint(tmp_path / "old.pt", "x").manifest == MANIFEST
    with pytest.raises(ValueError, match=r"old\.pt: .* version 2, .*'python -m train\.checkpoint"):
        pyengine.build(tmp_path / "old.pt", tmp_path / "x.pyengine")
    command = [sys.executable, "-m", "train.checkpoint", tmp_path / "old.pt", tmp_path / "anew.pt"]
    subprocess.run(command, check=True, cwd=ROOT)
    assert read_checkpoint(tmp_path / "anew.pt").onnx == read_checkpoint(tmp_path / "new.pt").onnx
    pyengine.build(tmp_path / "anew.pt", tmp_path / "x.pyengine")


def exported(path: Path, network: torch.nn.Module, shape=SHAPE, free=()) -> str:
    torch.onnx.export(
        network, (torch.zeros(shape),), str(path), dynamo=False, input_names=["image"],
        dynamic_axes={"image": dict.fromkeys(free, "n")},
    )  # fmt: skip
    return str(path)


def test_a_source_that_does_not_run_is_one_line(network, capfd, tmp_path) -> None:
    from pyengine.cli import main

    def error(*arguments: str) -> str:
        capfd.readouterr()
        assert main([*arguments]) == 2
        text = capfd.readouterr().err
        lines = [line for line in text.splitlines() if "[E:onnxruntime" not in line]
        assert len(lines) == 1, text
        return lines[0]

    fixed = exported(tmp_path / "fixed.onnx", network)
    said = "fixed.onnx: the network's input is fixed to (1, 1, 24, 20), the sample shape is (1, 1, "
    assert said in error("verify", "em-membranes", fixed)
    to = ("-o", str(tmp_path / "x.pyengine"))
    assert said in error("build", fixed, *to, "--sample-shape", "1,1,24,24")
    # A size that the file leaves open, and the network does not.
    flat = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(480, 2))
    free = exported(tmp_path / "free.onnx", flat, free=(2, 3))
    said = "free.onnx: the source network fails on an input of (1, 1, 444, 444): "
    assert said in error("verify", "em-membranes", free)
    with pytest.raises(ValueError, match=r"LateFlat: the source network fails on .*: mat1 and"):
        pyengine.verify("em-membranes", LateFlat(480))


class LateFlat(torch.nn.Sequential):
    """Fails once traced, as modules do whose sizes are written down."""

    def __init__(self, features: int) -> None:
        super().__init__(torch.nn.Flatten(), torch.nn.Linear(features, 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean((2, 3)) if torch.jit.is_tracing() else super().forward(x)


class Recipe(InputKind):
    """A test's own kind: a JSON file that names a number of outputs."""

    title = "a path to a .recipe file"
    file_title = ".recipe file"

    def takes(self, source: Any) -> bool:
        return isinstance(source, (str, Path)) and Path(source).suffix == ".recipe"

    def load(
        self, source: Any, sample_shape: tuple[int, ...] | None, options: SourceKeywords
    ) -> Source:
        torch.manual_seed(0)
        outputs = json.loads(Path(source).read_text())["outputs"]
        return load_source(torch.nn.Conv2d(1, outputs, 3, padding=1), sample_shape or SHAPE)


def test_a_kind_is_one_row(capsys, monkeypatch, tmp_path) -> None:
    from pyengine.cli import main

    monkeypatch.setattr("pyengine.inputs.registry.INPUT_KINDS", [Recipe(), *INPUT_KINDS])
    (tmp_path / "net.recipe").write_text('{"outputs": 3}')
    path = tmp_path / "net.pyengine"
    assert main(["build", str(tmp_path / "net.recipe"), "-o", str(path)]) == 0
    assert len(pyengine.Engine(path).info.classes) == 3
    source = str(tmp_path / "net.recipe")
    assert main(["build", source, "-o", source]) == 2
    assert "would replace the input" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["build", "--help"])
    assert ".recipe file" in capsys.readouterr().out
    with pytest.raises(TypeError, match=r"a path to a \.recipe file, a TorchScript module"):
        pyengine.build(42, path)


def test_build_replaces_engine_files_alone(network, tmp_path: Path) -> None:
    thesis = tmp_path / "thesis.txt"
    thesis.write_text("years of work")
    with pytest.raises(FileExistsError, match=r"thesis\.txt: exists and is no engine file"):
        pyengine.build(network, thesis, sample_shape=SHAPE)
    assert thesis.read_text() == "years of work"
    engine = tmp_path / "x.pyengine"
    for _ in range(2):
        pyengine.build(network, engine, sample_shape=SHAPE)
    assert pyengine.Engine(engine).info.outputs == 2
