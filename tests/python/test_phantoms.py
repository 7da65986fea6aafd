"""Synthetic images: repeatable, labelled where they should be, refused where they cannot be."""

from __future__ import annotations

import numpy as np
import pytest

import pyengine
from pyengine.phantoms import DISEASES, LAYERS, fundus_phantom, nerve_phantom, oct_phantom


@pytest.mark.parametrize("disease", DISEASES)
@pytest.mark.parametrize("size", [(32, 32), (128, 100), (496, 768)])
def test_oct_phantoms(disease, size) -> None:
    one, again = oct_phantom(*size, disease, seed=5), oct_phantom(*size, disease, seed=5)
    np.testing.assert_array_equal(one.image, again.image)
    assert one.image.shape == one.fluid.shape == size
    assert one.image.dtype == np.uint8
    assert not np.array_equal(one.image, oct_phantom(*size, disease, seed=6).image)
    if disease in ("NORMAL", "DRUSEN"):
        assert not one.fluid.any()


def test_fluid_is_dark_and_lies_in_the_retina() -> None:
    for seed in range(5):
        phantom = oct_phantom(496, 768, "DME", seed)
        wet = phantom.image[phantom.fluid == 1].mean()
        rows = np.nonzero(phantom.fluid.any(1))[0]
        around = phantom.image[rows[0] : rows[-1] + 1].mean()
        assert wet < 0.6 * around
        assert 0.001 < phantom.fluid.mean() < 0.1


@pytest.mark.parametrize("disease", DISEASES)
def test_layers_lie_in_order(disease) -> None:
    """From top to bottom of each column: nothing, the seven layers, nothing."""
    phantom = oct_phantom(496, 300, disease, seed=2)
    assert phantom.layers.shape == phantom.image.shape
    assert phantom.layers.dtype == np.uint8
    for column in phantom.layers.T:
        inside = column[column > 0]
        assert (np.diff(inside.astype(int)) >= 0).all()
        rows = np.flatnonzero(column)
        assert len(inside) == rows[-1] - rows[0] + 1
    assert set(np.unique(phantom.layers)) == set(range(len(LAYERS) + 1))
    # As drawn: the outer nuclear layer is dark, the RPE bright.
    bright = [phantom.image[phantom.layers == k].mean() for k in range(1, len(LAYERS) + 1)]
    assert np.argmax(bright) == LAYERS.index("RPE")


def test_diseases_differ_in_their_rpe() -> None:
    """Drusen lift the brightest layer locally: it is rougher than that of a normal eye."""

    def roughness(disease: str) -> float:
        values = []
        for seed in range(8):
            image = oct_phantom(256, 384, disease, seed).image.astype(float)
            smooth = sum(np.roll(image, s, 1) for s in range(-4, 5))
            ridge = smooth.argmax(0)
            values.append(np.abs(np.diff(ridge, 2)).mean())
        return float(np.median(values))

    assert roughness("DRUSEN") > 1.2 * roughness("NORMAL")


def test_other_phantoms() -> None:
    image, nerve = nerve_phantom(seed=1)
    assert image.shape == nerve.shape == (420, 580)
    assert 0.005 < nerve.mean() < 0.2
    found = pyengine.Engine("ultrasound-nerve").segment(nerve_phantom()[0])
    truth = nerve_phantom()[1]
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.6
    photograph, vessel = fundus_phantom(seed=1)
    assert photograph.shape == (584, 565, 3)
    assert 0.02 < vessel.mean() < 0.25
    green = photograph[..., 1].astype(float)
    field = photograph.max(2) > 0
    assert green[vessel == 1].mean() < 0.75 * green[field & (vessel == 0)].mean()


def test_refusals() -> None:
    with pytest.raises(ValueError, match="at least 32 x 32 px, got 16 x 99"):
        oct_phantom(16, 99)
    with pytest.raises(ValueError, match="AMD"):
        oct_phantom(64, 64, "AMD")
