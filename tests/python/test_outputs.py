"""Networks of several outputs, of outputs of another resolution, and of regions: no silent choice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import random_image
from torch import nn
from torch.nn import functional as F

import pyengine

SHAPE = (1, 1, 32, 48)


class Net(nn.Module):
    """A small U-Net with heads: `kinds` says which."""

    def __init__(self, *kinds: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.kinds = kinds
        self.first, self.deep = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 8, 3, 2, padding=1)
        self.prob, self.dist = nn.Conv2d(8, 1, 1), nn.Conv2d(8, 5, 3, padding=1)
        self.large = nn.ConvTranspose2d(8, 3, 2, 2)
        self.low = nn.Conv2d(8, 3, 1)
        self.full = nn.Conv2d(8, 3, 1)

    def heads(self, x):
        first = self.first(x).relu()
        deep = self.deep(first).relu()
        both = first + F.interpolate(deep, scale_factor=2)
        return {
            "prob": torch.sigmoid(4 * self.prob(both)), "dist": self.dist(both),
            "half": self.low(deep), "double": self.large(both), "full": self.full(both),
            "softmax": torch.softmax(5 * self.full(both), 1),
        }  # fmt: skip

    def forward(self, x):
        heads = self.heads(x)
        return {kind: heads[kind] for kind in self.kinds}


class Tuple(Net):
    def forward(self, x):
        return list(super().forward(x).values())


def expected(net: Net, image: np.ndarray) -> dict[str, np.ndarray]:
    """What the source gives for the mirrored image, far from whose edges padding does not show."""
    x = np.pad(image, 16, mode="reflect")
    with torch.inference_mode():
        heads = net.heads(torch.from_numpy(x)[None, None])
    scale = {"half": 0.5, "double": 2}
    cut = {}
    for name, value in heads.items():
        s = scale.get(name, 1)
        margin, height, width = int(16 * s), int(image.shape[0] * s), int(image.shape[1] * s)
        cut[name] = value[0, :, margin : margin + height, margin : margin + width].numpy()
    return cut


@pytest.mark.parametrize(
    ("net", "listed", "proposed"),
    [
        (Tuple("full", "half"), r"'output0' \(1, 3, 32, 48\), 'output1' \(1, 3, 16, 24\)",
         "'output0' is the one of the image's resolution"),
        (Tuple("half", "full"), r"'output0' \(1, 3, 16, 24\), 'output1' \(1, 3, 32, 48\)",
         "'output1' is the one"),
        (Net("prob", "dist"), r"'prob' \(1, 1, 32, 48\), 'dist' \(1, 5, 32, 48\)",
         r"such as output_name=\('prob', 'dist'\)"),
    ],
)  # fmt: skip
def test_several_outputs_are_listed_and_not_chosen(net, listed, proposed, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"has 2 outputs: {listed}.*{proposed}"):
        pyengine.build(net, tmp_path / "x.pyengine", SHAPE)
    path = tmp_path / "net.onnx"
    torch.onnx.export(net, (torch.zeros(SHAPE),), str(path), dynamo=False, output_names=["a", "b"])
    with pytest.raises(ValueError, match=r"net\.onnx: the network has 2 outputs: 'a' \("):
        pyengine.build(path, tmp_path / "x.pyengine")
    with pytest.raises(ValueError, match="output_name 'c' is not some of them"):
        pyengine.build(path, tmp_path / "x.pyengine", output_name="c")
    assert not (tmp_path / "x.pyengine").exists()


def test_one_of_several_outputs_is_an_engine_of_its_own(tmp_path: Path) -> None:
    net = Net("half", "softmax", "prob")
    path = tmp_path / "x.pyengine"
    pyengine.build(net, path, SHAPE, output_name="softmax", classes=["a", "b", "c"])
    engine = pyengine.Engine(path)
    assert engine.info.results == ()
    assert engine.info.activation == "softmax"
    image = random_image(np.random.default_rng(0), 40, 54, dtype=np.float32)
    want = expected(net, image)["softmax"]
    np.testing.assert_allclose(engine.segment(image, output="probabilities"), want, atol=1e-5)
    assert pyengine.verify(path, net).passed
    with pytest.raises(ValueError, match="this network has one result, which has no name"):
        engine.segment(image, output=("softmax",))


def test_named_results(tmp_path: Path) -> None:
    net = Net("prob", "dist", "half")
    path = tmp_path / "x.pyengine"
    report = pyengine.build(net, path, SHAPE, output_name=("dist", "prob"))
    assert set(report.by_output) == {"dist", "prob"}
    engine = pyengine.Engine(path)
    assert [(r.name, r.channels, r.activation) for r in engine.info.results] == [
        ("dist", 5, "none"), ("prob", 1, "sigmoid"),
    ]  # fmt: skip
    image = random_image(np.random.default_rng(0), 62, 84, dtype=np.float32)
    want = expected(net, image)
    prob, dist = engine.segment(image, output=("prob", "dist"))
    np.testing.assert_allclose(prob, want["prob"], atol=1e-5)
    np.testing.assert_allclose(dist, want["dist"], atol=1e-4)
    for tile in (8, (16, 24)):
        again = engine.segment(image, output="prob", tile=tile)
        np.testing.assert_array_equal(again, prob)
    both = engine.segment(image, output="logits")
    assert set(both) == {"dist", "prob"}
    np.testing.assert_array_equal(both["dist"], dist)
    assert (both["prob"] < 0).any()
    with pytest.raises(
        pyengine.UnsupportedError, match="labels: this network's results are 'dist'"
    ):
        engine.segment(image)
    with pytest.raises(pyengine.UnsupportedError, match="turns with the image"):
        engine.segment(image, output="dist", tta="flips")
    with pytest.raises(ValueError, match="'depth' is not one of this network's: 'dist', 'prob'"):
        engine.segment(image, output=("depth",))
    assert pyengine.verify(path, net).passed
    # A callable returns what the source returns, as the engine itself does.
    pair = pyengine.Engine(path, executor=engine.run)
    np.testing.assert_allclose(pair.segment(image, output="prob"), prob, atol=1e-4)


@pytest.mark.parametrize("kind", ["half", "double"])
def test_a_result_of_another_resolution_has_its_own_size(tmp_path: Path, kind: str) -> None:
    net = Net(kind)
    path = tmp_path / "x.pyengine"
    pyengine.build(net, path, SHAPE)
    engine = pyengine.Engine(path)
    assert engine.info.task == "segmentation"
    assert engine.info.classes == ("class 0", "class 1", "class 2")
    image = random_image(np.random.default_rng(0), 40, 54, dtype=np.float32)
    want = expected(net, image)[kind]
    got = engine.segment(image, output="logits")
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, atol=1e-5)
    np.testing.assert_array_equal(engine.segment(image, output="logits", tile=8), got)
    np.testing.assert_array_equal(engine.segment(image), got.argmax(0).astype(np.uint8))
    np.testing.assert_allclose(
        engine.segment(image, output="probabilities"),
        torch.softmax(torch.from_numpy(want), 0).numpy(), atol=1e-5,
    )  # fmt: skip
    # A size that no whole number of its pixels fills.
    odd = engine.segment(image[:39, :53])
    assert odd.shape == ((20, 27) if kind == "half" else (78, 106))
    # Files get it too, by bands, and by name.
    np.save(tmp_path / "image.npy", image[:39, :53])
    engine.segment_file(tmp_path / "image.npy", tmp_path / "out.npy", tile=8)
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), odd)
    engine.segment_file(tmp_path / "image.npy", tmp_path / "out.npy", output=kind, tile=8)
    scores = np.load(tmp_path / "out.npy")
    np.testing.assert_array_equal(scores, engine.segment(image[:39, :53], output=kind))


def test_results_of_no_whole_part_are_refused_by_name(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Conv2d(1, 3, 3, 2), nn.Conv2d(3, 3, 2))
    with pytest.raises(pyengine.UnsupportedError, match=r"'output' has the shape \(1, 3, 14, 22\)"):
        pyengine.build(net, tmp_path / "x.pyengine", SHAPE)


def test_several_inputs_are_refused_by_name(tmp_path: Path) -> None:
    class Two(nn.Module):
        def forward(self, image, mask):
            return image + mask

    with pytest.raises(ValueError, match=r"Two: the network takes 2 inputs \(image, mask\)"):
        pyengine.build(Two(), tmp_path / "x.pyengine", SHAPE)
    path = tmp_path / "two.onnx"
    torch.onnx.export(
        Two(), (torch.zeros(SHAPE), torch.zeros(SHAPE)), str(path), dynamo=False,
        input_names=["image", "mask"],
    )  # fmt: skip
    said = r"two\.onnx: the network takes 2 inputs \('image' \(1, 1, 32, 48\), 'mask' \(1"
    with pytest.raises(ValueError, match=said):
        pyengine.build(path, tmp_path / "x.pyengine")


def test_the_command_line_writes_results_by_name(tmp_path: Path, capsys) -> None:
    from pyengine.cli import main

    net, source, path = Net("prob", "half"), tmp_path / "net.onnx", tmp_path / "x.pyengine"
    torch.onnx.export(
        Tuple("prob", "half"), (torch.zeros(SHAPE),), str(source), dynamo=False,
        output_names=["prob", "half"], dynamic_axes={"input": {}},
    )  # fmt: skip
    np.save(tmp_path / "samples.npy", np.zeros((2, *SHAPE[1:]), np.float32) + np.float32(0.5))
    build = ["build", str(source), "-o", str(path), "--output-name", "prob"]
    assert main([*build, "--output-name", "half", "--provenance", '{"terms": "none"}']) == 0
    assert pyengine.Engine(path).info.provenance["terms"] == "none"
    capsys.readouterr()
    assert main(["info", str(path)]) == 0
    said = "prob: 1 channel(s), sigmoid; half: 3 channel(s), none, 1/2 of the image's resolution"
    assert said in capsys.readouterr().out
    image = random_image(np.random.default_rng(0), 40, 54)
    np.save(tmp_path / "a.npy", image)
    out = tmp_path / "b.npy"
    segment = ["segment", str(tmp_path / "a.npy"), "-e", str(path), "-o", str(out)]
    assert main([*segment, "--result", "half"]) == 0
    assert np.load(out).shape == (3, 20, 27)
    assert main([*segment, "--output-kind", "probabilities"]) == 2
    assert "a file takes one result of this network's: 'prob', 'half'" in capsys.readouterr().err
    assert main([*build, "--colors", "[[0,0,0],[9,9,9]]", "--samples", "samples.npy"]) == 2
    colors = ["--colors", "[[0,0,0],[9,9,9]]", "--samples", str(tmp_path / "samples.npy")]
    assert main([*build, *colors]) == 0
    assert pyengine.Engine(path).info.colors[1] == (9, 9, 9)
    assert net.kinds == ("prob", "half")


# ---- regions ------------------------------------------------------------------------------------


@pytest.mark.parametrize("in_network", [False, True])
def test_several_sigmoids_are_regions(tmp_path: Path, in_network: bool) -> None:
    """Three probabilities of 0.02 are background; the last region above one half is the label."""
    net = nn.Conv2d(1, 3, 1)
    with torch.no_grad():
        net.weight.copy_(torch.tensor([1.0, 1.0, 1.0]).view(3, 1, 1, 1))
        net.bias.copy_(torch.tensor([0.0, -10.0, -20.0]))
    module = nn.Sequential(net, nn.Sigmoid()) if in_network else net
    path = tmp_path / "x.pyengine"
    pyengine.build(
        module, path, (1, 1, 8, 8), activation="sigmoid", classes=["whole", "core", "enhancing"]
    )
    engine = pyengine.Engine(path)
    assert engine.info.classes == ("background", "whole", "core", "enhancing")
    image = np.float32([[-4, 0, 5, 15, 25]])
    np.testing.assert_array_equal(engine.segment(image), [[0, 0, 1, 2, 3]])
    np.testing.assert_array_equal(engine.segment(image, mode="gaussian"), [[0, 0, 1, 2, 3]])
    np.testing.assert_array_equal(engine.segment(image, tta="flips"), [[0, 0, 1, 2, 3]])
    np.testing.assert_allclose(
        engine.segment(image, output="probabilities")[0], 1 / (1 + np.exp(-image)), rtol=1e-6
    )
    pyengine.build(module, path, (1, 1, 8, 8), activation="sigmoid", label_rule="highest")
    np.testing.assert_array_equal(pyengine.Engine(path).segment(image), [[0, 0, 0, 0, 0]])
