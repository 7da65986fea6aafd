"""Networks the engine has never seen."""

from __future__ import annotations

import io

import numpy as np
import onnx
import pytest
import torch
from conftest import random_image
from monai.networks.nets import AttentionUnet, BasicUNet, BasicUnetPlusPlus

import pyengine

NETWORKS = {
    "BasicUNet": lambda: BasicUNet(
        2, 1, 3, features=(8, 8, 16, 16, 32, 8), norm=("batch", {"affine": True})
    ),
    "AttentionUnet": lambda: AttentionUnet(2, 1, 3, channels=(8, 16, 24), strides=(2, 2)),
    "BasicUnetPlusPlus": lambda: BasicUnetPlusPlus(
        2, 1, 3, features=(8, 8, 16, 16, 32, 8), norm="batch"
    ),
}


def network(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    net = NETWORKS[name]()
    # AttentionUnet has no option for the norm of its merging convolutions.
    for parent in list(net.modules()):
        for child_name, child in list(parent.named_children()):
            if isinstance(child, torch.nn.InstanceNorm2d):
                setattr(parent, child_name, torch.nn.BatchNorm2d(child.num_features))
    for m in net.modules():
        if isinstance(m, torch.nn.BatchNorm2d):
            m.running_mean.normal_(0, 0.1)
            m.running_var.uniform_(0.5, 2)
    return net.eval()


@pytest.mark.parametrize("name", NETWORKS)
def test_module_builds_agrees_and_tiles(name: str, make_engine) -> None:
    net = network(name)
    engine = make_engine(net, (1, 1, 64, 64))
    x = np.random.default_rng(0).standard_normal((1, 1, 96, 64), dtype=np.float32)
    with torch.inference_mode():
        want = net(torch.from_numpy(x))
    want = (want[0] if isinstance(want, list) else want).numpy()
    assert np.abs(engine.run(x) - want).max() <= 1e-4 * np.ptp(want)
    image = random_image(np.random.default_rng(1), 90, 75, dtype=np.float32)
    whole = engine.segment(image, tile=(96, 80), output="logits")
    np.testing.assert_array_equal(engine.segment(image, tile=32, output="logits"), whole)


@pytest.mark.parametrize("dynamic", [False, True])
def test_onnx_file_builds_and_verifies(dynamic: bool, tmp_path) -> None:
    net = network("BasicUNet")
    buffer = io.BytesIO()
    axes = {"image": {0: "n", 2: "h", 3: "w"}} if dynamic else None
    torch.onnx.export(
        net, (torch.zeros(1, 1, 64, 64),), buffer, dynamo=False, opset_version=17,
        input_names=["image"], dynamic_axes=axes,
    )  # fmt: skip
    path = tmp_path / "net.onnx"
    path.write_bytes(buffer.getvalue())
    onnx.checker.check_model(onnx.load(path))
    shape = (1, 1, 64, 64) if dynamic else None
    report = pyengine.build(path, tmp_path / "net.pyengine", shape, store_onnx=True)
    assert report.passed
    assert report.relative_error < 1e-4
    assert pyengine.verify(tmp_path / "net.pyengine", net).label_agreement > 0.999


def test_the_new_exporters_onnx_builds(tmp_path) -> None:
    net = network("BasicUNet")
    program = torch.onnx.export(net, (torch.zeros(1, 1, 64, 64),), dynamo=True)
    assert pyengine.build(program.model_proto, tmp_path / "net.pyengine").passed


def test_instance_norm_runs_on_whole_images(tmp_path) -> None:
    net = BasicUNet(2, 1, 2, features=(8, 8, 16, 16, 32, 8))
    path = tmp_path / "x.pyengine"
    report = pyengine.build(net.eval(), path, sample_shape=(1, 1, 64, 64), executor="cpu")
    assert report.passed
    info = pyengine.Engine(path).info
    assert not info.tileable
    assert "whole image" in info.not_tileable_reason
