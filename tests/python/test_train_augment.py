"""Augmentation: images and labels move together, and not at all where nothing is asked for."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from train.augment import RandMirrorCropd, augmentation, mirror
from train.settings import AugmentationConfig

EVERYTHING = AugmentationConfig(
    zoom=(0.8, 1.25), rotation_degrees=30, stretch=0.1, shift_px=3, elastic_px=4,
    elastic_spacing_px=20, flip_horizontal=True, flip_vertical=True, rotate_90=True,
)  # fmt: skip


@pytest.mark.parametrize("name", [f.name for f in dataclasses.fields(AugmentationConfig)] + ["all"])
def test_image_and_labels_move_together(name) -> None:
    """With each geometric change alone and with all: the map stays that of the image."""
    if name == "elastic_spacing_px":
        pytest.skip("a size, not a change")
    off = AugmentationConfig()
    config = EVERYTHING
    if name != "all":
        value = getattr(EVERYTHING, name)
        if value == getattr(off, name):
            value = {"gamma": 1.5}.get(name, 0.3)
        config = dataclasses.replace(off, elastic_spacing_px=20, **{name: value})
    y, x = np.mgrid[0:90, 0:70]
    pattern = (((x // 11) + (y // 17)) % 2).astype(np.float32)
    data = {
        "image": pattern[None] * 2 - 1 + (x / 200).astype(np.float32),
        "maps": np.stack([pattern, pattern]),
    }
    pipeline = augmentation(config, 40)
    changed = False
    for seed in range(5):
        pipeline.set_random_state(seed)
        out = pipeline(data)
        image, maps = np.asarray(out["image"]), np.asarray(out["maps"])
        assert image.shape == (1, 40, 40)
        assert maps.shape == (2, 40, 40)
        agree = ((image[0] > image[0].mean()) == (maps[0] > 0.5)).mean()
        assert agree > 0.85, (seed, agree)
        again = augmentation(config, 40)
        again.set_random_state(seed)
        np.testing.assert_array_equal(image, np.asarray(again(data)["image"]))
        plain = augmentation(off, 40)
        plain.set_random_state(seed)
        changed |= not np.array_equal(image, np.asarray(plain(data)["image"]))
    assert changed


def test_everything_off_changes_nothing() -> None:
    data = {
        "image": np.random.default_rng(0).random((1, 9, 8)).astype(np.float32),
        "maps": np.zeros((2, 9, 8)),
    }
    out = augmentation(AugmentationConfig(), None)(data)
    np.testing.assert_array_equal(out["image"], data["image"])


def test_crops_mirror_at_borders() -> None:
    assert mirror(np.arange(-4, 8), 4).tolist() == [2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1]
    assert mirror(np.arange(-2, 3), 1).tolist() == [0] * 5
    crop = RandMirrorCropd(("image", "maps"), 21, 21, foreground=1.0)
    image = np.arange(63, dtype=np.float32).reshape(1, 7, 9)
    label = np.zeros((1, 7, 9), np.float32)
    label[0, 2, 3] = 1
    out = crop({"image": image, "maps": label})
    assert out["maps"][0, 10, 10] == 1  # centred on the foreground
    np.testing.assert_array_equal(out["image"][0, 8:15, 7:16], image[0])
    np.testing.assert_array_equal(out["image"][0, 8], out["image"][0, 8 + 12])
