"""Test-time augmentation: the mean of the logits over an image's flips and quarter turns."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import random_image

import pyengine
from pyengine.cli import main

# (flip y, flip x, transpose) in the order in which the core adds them up.
D4 = [
    (False, False, False), (True, False, False), (False, True, False), (True, True, False),
    (False, False, True), (True, False, True), (False, True, True), (True, True, True),
]  # fmt: skip
PASSES = {"none": 1, "flips": 4, "d4": 8}


def view(image: np.ndarray, symmetry: tuple[bool, bool, bool]) -> np.ndarray:
    flip_y, flip_x, transpose = symmetry
    flipped = image[:: -1 if flip_y else 1, :: -1 if flip_x else 1]
    return flipped.swapaxes(0, 1) if transpose else flipped


def mean_logits(engine: pyengine.Engine, image: np.ndarray, tta: str) -> np.ndarray:
    """As the core is documented to add: pass by pass, in float32."""
    total = None
    for flip_y, flip_x, transpose in D4[: PASSES[tta]]:
        seen = np.ascontiguousarray(view(image, (flip_y, flip_x, transpose)))
        logits = engine.segment(seen, output="logits")
        logits = logits.swapaxes(1, 2) if transpose else logits
        logits = logits[:, :: -1 if flip_y else 1, :: -1 if flip_x else 1]
        total = logits if total is None else total + logits
    return total * np.float32(1 / PASSES[tta])


@pytest.mark.parametrize("tta", ["none", "flips", "d4"])
@pytest.mark.parametrize("shape", [(1, 1), (5, 70), (131, 90)])
def test_logits_are_the_mean_over_all_views(membranes, shape, tta) -> None:
    image = random_image(np.random.default_rng(1), *shape)
    want = mean_logits(membranes, image, tta)
    np.testing.assert_array_equal(membranes.segment(image, output="logits", tta=tta), want)
    np.testing.assert_array_equal(membranes.segment(image, tta=tta), want.argmax(0))
    probabilities = membranes.segment(image, output="probabilities", tta=tta)
    softmax = np.exp(want - want.max(0)) / np.exp(want - want.max(0)).sum(0)
    np.testing.assert_allclose(probabilities, softmax, atol=1e-6)


def test_colours_strides_and_tiles_change_nothing() -> None:
    engine = pyengine.Engine("retinal-vessels")
    image = random_image(np.random.default_rng(2), 260, 300, 3, np.uint16)
    want = mean_logits(engine, image, "d4")
    for options in ({}, {"tile": (64, 128)}, {"max_memory": 30 << 20}, {"one_thread": True}):
        got = engine.segment(image, output="logits", tta="d4", **options)
        np.testing.assert_array_equal(got, want)
    strided = np.flip(np.asfortranarray(np.flip(image, 0)), 0)
    np.testing.assert_array_equal(engine.segment(strided, output="logits", tta="d4"), want)


def test_the_result_turns_with_the_image(membranes) -> None:
    image = random_image(np.random.default_rng(3), 80, 96)
    turned = membranes.segment(np.rot90(image), output="logits", tta="d4")
    want = np.rot90(membranes.segment(image, output="logits", tta="d4"), axes=(1, 2))
    # Only the order of the sum differs: eight terms, half a unit in the last place each.
    np.testing.assert_allclose(turned, want, atol=8 * 2**-24 * np.abs(want).max() * 8)


def test_files_and_the_command_line(membranes, tmp_path) -> None:
    stack = np.stack([random_image(np.random.default_rng(i), 50, 70) for i in (4, 5)])
    np.save(tmp_path / "in.npy", stack)
    want = np.stack([membranes.segment(page, tta="flips") for page in stack])
    calls: list[tuple[int, int]] = []
    membranes.segment_file(
        tmp_path / "in.npy", tmp_path / "out.npy", tta="flips",
        progress=lambda done, total: calls.append((done, total)),
    )  # fmt: skip
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), want)
    assert calls == [(i, 8) for i in range(1, 9)]  # two pages of four passes
    arguments = [
        "segment",
        "-e",
        "em-membranes",
        str(tmp_path / "in.npy"),
        "-o",
        str(tmp_path / "cli.npy"),
    ]
    assert main([*arguments, "--tta", "flips"]) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "cli.npy"), want)


def test_unknown_views_are_refused_and_a_pass_can_be_cancelled(membranes) -> None:
    image = np.zeros((30, 30), np.uint8)
    with pytest.raises(ValueError, match="tta must be one of none, flips, d4, mirror; got 'all'"):
        membranes.segment(image, tta="all")
    with pytest.raises(pyengine.CancelledError):
        membranes.segment(image, tta="d4", progress=lambda done, total: done < 3)
