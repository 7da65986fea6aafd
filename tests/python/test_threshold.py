"""Labels by probability: background where no class is above the threshold."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import pyengine
from pyengine.cli import main

IMAGE = np.arange(256, dtype=np.uint8).reshape(16, 16)


def linear(weights: list[float], biases: list[float]) -> nn.Module:
    """One logit per class, linear in the pixel."""
    network = nn.Conv2d(1, len(weights), 1)
    with torch.no_grad():
        network.weight.copy_(torch.tensor(weights).reshape(-1, 1, 1, 1))
        network.bias.copy_(torch.tensor(biases))
    return network.eval()


@pytest.fixture
def regions(make_engine) -> pyengine.Engine:
    network = linear([0.05, 0.05, -0.05], [-5.02, -10.02, 1.02])
    return make_engine(network, (1, 1, 8, 8), activation="sigmoid")


def by_hand(probabilities: np.ndarray, threshold: float) -> np.ndarray:
    labels = np.zeros(probabilities.shape[1:], np.uint8)
    for k, plane in enumerate(probabilities, 1):
        labels[plane > threshold] = k
    return labels


@pytest.mark.parametrize("threshold", [0.1, 0.4, 0.5, 0.9, 0.99])
def test_regions(regions, tmp_path, threshold) -> None:
    probabilities = regions.segment(IMAGE, output="probabilities")
    want = by_hand(probabilities, threshold)
    np.testing.assert_array_equal(regions.segment(IMAGE, threshold=threshold), want)
    (batched,) = regions.segment_batch([IMAGE], threshold=threshold)
    np.testing.assert_array_equal(batched, want)
    np.save(tmp_path / "a.npy", IMAGE)
    regions.segment_file(tmp_path / "a.npy", tmp_path / "o.npy", threshold=threshold, tile=8)
    np.testing.assert_array_equal(np.load(tmp_path / "o.npy"), want)
    if threshold == 0.5:
        np.testing.assert_array_equal(regions.segment(IMAGE), want)
        assert {0, 1, 2, 3} == set(np.unique(want))


def test_several_sigmoids_below_one_half_are_background(make_engine) -> None:
    low = make_engine(linear([0.0, 0.0], [-1.0, -0.5]), (1, 1, 8, 8), activation="sigmoid")
    assert not low.segment(IMAGE).any()
    assert (low.segment(IMAGE, threshold=0.3) == 2).all()


def test_one_sigmoid_and_two_classes(make_engine, membranes) -> None:
    one = make_engine(linear([0.05], [-5.0]), (1, 1, 8, 8))
    for engine in (one, membranes):
        foreground = engine.segment(IMAGE, output="probabilities")[-1]
        for threshold in (0.2, 0.8):
            got = engine.segment(IMAGE, threshold=threshold)
            np.testing.assert_array_equal(got, foreground > threshold)


@pytest.mark.parametrize("threshold", [0, 1, -0.5, 1.5, float("nan")])
def test_thresholds_that_are_no_probability(regions, threshold) -> None:
    with pytest.raises(ValueError, match="must be a probability between 0 and 1"):
        regions.segment(IMAGE, threshold=threshold)


def test_where_a_threshold_has_no_meaning(make_engine, regions, tmp_path, capsys) -> None:
    three = make_engine(linear([0.0, 0.1, 0.2], [0.0, 0.0, 0.0]), (1, 1, 8, 8))
    with pytest.raises(ValueError, match=r"3 classes \(softmax\) the most probable is the label"):
        three.segment(IMAGE, threshold=0.5)
    with pytest.raises(ValueError, match="threshold is for output 'labels', got 'logits'"):
        regions.segment(IMAGE, output="logits", threshold=0.5)
    with pytest.raises(TypeError, match="threshold must be a number"):
        regions.segment(IMAGE, threshold="0.5")


def test_the_command_line_thresholds_and_resumes(membranes, tmp_path, capsys) -> None:
    np.save(tmp_path / "a.npy", IMAGE)
    arguments = ["segment", "-e", "em-membranes", str(tmp_path / "a.npy"), "--resume", "-o"]
    out = tmp_path / "o.npy"
    for threshold, said in (("0.2", ""), ("0.2", "1 skipped"), ("0.8", "")):
        assert main([*arguments, str(out), "--threshold", threshold]) == 0
        want = membranes.segment(IMAGE, threshold=float(threshold))
        np.testing.assert_array_equal(np.load(out), want)
        assert said in capsys.readouterr().out
    assert main([*arguments, str(out), "--threshold", "2"]) == 2
    assert "must be a probability" in capsys.readouterr().err
