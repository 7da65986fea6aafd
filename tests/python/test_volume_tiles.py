"""Volumes in exact boxes and in windows: bits, nnU-Net's own sums, slabs, refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pyengine

CLASSES = 3


class Down(torch.nn.Module):
    """Two levels of 3x3x3 convolutions, the lower one of half the height and width."""

    def __init__(self, norm: bool) -> None:
        super().__init__()
        self.first = torch.nn.Conv3d(1, 6, 3, padding=1)
        self.down = torch.nn.Conv3d(6, 8, 3, padding=1, stride=(1, 2, 2))
        self.up = torch.nn.ConvTranspose3d(8, 6, (1, 2, 2), stride=(1, 2, 2))
        self.last = torch.nn.Conv3d(12, CLASSES, 1)
        self.norm = torch.nn.InstanceNorm3d(6, affine=True) if norm else torch.nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        top = torch.nn.functional.leaky_relu(self.norm(self.first(x)), 0.01)
        low = torch.relu(self.down(top))
        return self.last(torch.cat([self.up(low), top], 1))


def engine_of(folder: Path, norm: bool) -> pyengine.Engine:
    torch.manual_seed(0)
    net = Down(norm).eval()
    path = folder / f"volume{norm}.pyengine"
    pyengine.build(
        net, path, classes=[f"c{i}" for i in range(CLASSES)], sample_shape=(1, 1, 8, 24, 28)
    )
    return pyengine.Engine(path, threads=2)


@pytest.fixture(scope="module")
def tiled(tmp_path_factory) -> pyengine.Engine:
    return engine_of(tmp_path_factory.mktemp("tiled"), norm=False)


@pytest.fixture(scope="module")
def normed(tmp_path_factory) -> pyengine.Engine:
    return engine_of(tmp_path_factory.mktemp("normed"), norm=True)


def volume(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    shape=st.tuples(*[st.integers(1, 40)] * 3),
    tile=st.tuples(*[st.integers(1, 24)] * 3),
    threads_alone=st.booleans(),
)
def test_boxes_are_bit_for_bit_the_whole(tiled, shape, tile, threads_alone) -> None:
    image = volume(*shape)
    whole = tiled.segment(image, output="logits", tile=shape)
    boxes = tiled.segment(image, output="logits", tile=tile, one_thread=threads_alone)
    assert whole.shape == (CLASSES, *shape)
    assert np.array_equal(whole.view(np.uint32), boxes.view(np.uint32))


def test_boxes_are_the_network_on_the_mirrored_volume(tiled) -> None:
    image = volume(5, 11, 9)
    pad = 16
    mirrored = np.pad(image, pad, mode="reflect")
    mirrored = mirrored[:, : 2 * (mirrored.shape[1] // 2), : 2 * (mirrored.shape[2] // 2)]
    expected = tiled.run(mirrored[None, None])[0]
    inner = expected[:, pad : pad + 5, pad : pad + 11, pad : pad + 9]
    assert np.abs(tiled.segment(image, output="logits") - inner).max() < 2e-5


def test_small_memory_cuts_and_changes_nothing(tiled) -> None:
    image = volume(20, 60, 64)
    whole = tiled.segment(image, output="logits", max_memory=1 << 30)
    assert np.array_equal(whole, tiled.segment(image, output="logits", max_memory=1_500_000))
    with pytest.raises(ValueError, match=r"max_memory 1000 bytes is too small: a box of"):
        tiled.segment(image, max_memory=1000)


@pytest.mark.parametrize("mode", ["nnunet", "gaussian", "constant", "exact"])
@pytest.mark.parametrize("output", ["labels", "probabilities", "logits"])
def test_slabs_make_the_whole(normed, tiled, mode, output) -> None:
    engine = tiled if mode == "exact" else normed
    image = volume(17, 30, 25)
    options = {"mode": mode, "tile": (8, 16, 12), "overlap": 0.5}
    whole = engine.segment(image, output=output, **options)
    parts = list(engine.segment_slabs(image, output=output, **options))
    assert len(parts) > 1
    axis = 0 if output == "labels" else 1
    assert np.array_equal(np.concatenate(parts, axis), whole)


def test_a_reader_that_stops_ends_the_computation(tiled) -> None:
    slabs = tiled.segment_slabs(volume(40, 24, 24), tile=(2, 8, 8))
    assert next(slabs).shape == (2, 24, 24)
    slabs.close()
    assert tiled.segment(volume(3, 8, 8)).shape == (3, 8, 8)


@pytest.mark.parametrize("shape", [(17, 30, 25), (5, 7, 40), (8, 16, 12), (1, 1, 1)])
def test_windows_are_those_of_nnunet(normed, shape) -> None:
    windows = pytest.importorskip("nnunetv2.inference.sliding_window_prediction")
    size = (8, 16, 12)
    image = volume(*shape)
    padded_shape = [max(n, w) for n, w in zip(shape, size, strict=True)]
    before = [(p - n) // 2 for p, n in zip(padded_shape, shape, strict=True)]
    padded = np.zeros(padded_shape, np.float32)
    inner = tuple(slice(b, b + n) for b, n in zip(before, shape, strict=True))
    padded[inner] = image
    weights = windows.compute_gaussian(
        size, sigma_scale=1.0 / 8, value_scaling_factor=10, dtype=torch.float16,
        device=torch.device("cpu"),
    ).numpy()  # fmt: skip
    steps = windows.compute_steps_for_sliding_window(tuple(padded_shape), size, 0.5)
    sums = np.zeros((CLASSES, *padded_shape), np.float64)
    total = np.zeros(padded_shape, np.float64)
    for z in steps[0]:
        for y in steps[1]:
            for x in steps[2]:
                at = (slice(z, z + 8), slice(y, y + 16), slice(x, x + 12))
                sums[(slice(None), *at)] += normed.run(padded[at][None, None])[0] * weights
                total[at] += weights
    expected = (sums / total)[(slice(None), *inner)]
    found = normed.segment(image, output="logits", mode="nnunet", tile=size)
    assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()


def test_pixels_of_other_types_and_layouts(tiled) -> None:
    image = np.random.default_rng(1).integers(0, 255, (6, 20, 18)).astype(np.uint8)
    expected = tiled.segment(image.astype(np.float32), output="logits")
    assert np.array_equal(tiled.segment(image, output="logits"), expected)
    assert np.array_equal(tiled.segment(image[..., None], output="logits"), expected)
    assert np.array_equal(
        tiled.segment(image.transpose(2, 1, 0).copy().T, output="logits"), expected
    )


def test_what_is_no_volume_is_refused(tiled, membranes) -> None:
    with pytest.raises(ValueError, match=r"volumes of shape \(D, H, W\)"):
        tiled.segment(np.zeros((8, 8), np.float32))
    with pytest.raises(ValueError, match="at least 1 x 1 x 1"):
        tiled.segment(np.zeros((0, 8, 8), np.float32))
    with pytest.raises(ValueError, match="NaN"):
        tiled.segment(np.full((2, 8, 8), np.nan, np.float32))
    with pytest.raises(pyengine.UnsupportedError, match="region"):
        tiled.segment(np.zeros((2, 8, 8), np.float32), region=(0, 0, 4, 4))
    with pytest.raises(pyengine.UnsupportedError, match="mirror"):
        tiled.segment(np.zeros((2, 8, 8), np.float32), tta="flips")
    with pytest.raises(pyengine.UnsupportedError, match="this network takes images"):
        membranes.segment_slabs(np.zeros((2, 8, 8), np.uint8))


def test_networks_with_norms_run_whole_or_in_windows(normed) -> None:
    image = volume(8, 24, 28)
    assert np.array_equal(normed.segment(image, output="logits"), normed.run(image[None, None])[0])
    with pytest.raises(pyengine.UnsupportedError, match="no exact tiles"):
        normed.segment(image, tile=4)
    with pytest.raises(pyengine.UnsupportedError, match="in one piece"):
        normed.segment(image, max_memory=1000)
