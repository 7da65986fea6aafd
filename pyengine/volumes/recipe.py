"""What is done to a volume before and after a network, as data of the engine file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pyengine._core import EngineFileError

FIELD = "volume"  # of the manifest
NORMALISATIONS = ("ct", "zscore", "rescale_to_0_1", "rgb_to_0_1", "none")


@dataclass(frozen=True)
class ChannelNormalisation:
    """How one channel's values become the network's.

    Attributes
    ----------
    name : {"ct", "zscore", "rescale_to_0_1", "rgb_to_0_1", "none"}
    within_mask : bool
        Of "zscore": over what is not zero (holes filled), and only there.
    low, high, mean, std : float
        Of "ct": values are clipped, then standardised.
    """

    name: str
    within_mask: bool = False
    low: float = 0.0
    high: float = 0.0
    mean: float = 0.0
    std: float = 1.0


@dataclass(frozen=True)
class Resampling:
    """How a volume gets another size.

    Attributes
    ----------
    order : int
        Of the splines: 3 for images, 1 for scores.
    separate_slices : bool or None
        Resample slice by slice, and between slices take the nearest. None: where the largest
        spacing is more than `anisotropy` times the smallest.
    anisotropy : float
    """

    order: int
    separate_slices: bool | None = None
    anisotropy: float = 3.0


@dataclass(frozen=True)
class Recipe:
    """The way of a volume (C, z, y, x) to a network's input, and of its scores to labels.

    Attributes
    ----------
    transpose : (int, int, int)
        The network's axes, as axes of (z, y, x).
    normalisation : tuple of ChannelNormalisation
        One for each channel.
    spacing_mm : tuple of float
        Of the network's grid, in its order of axes. Two numbers: slices along the first axis keep
        their distance, and are computed one by one.
    image, scores : Resampling
        Of the network's input and of what it returns.
    regions : bool
        Scores are of regions, each by itself; else of classes that exclude one another.
    labels : tuple of int
        Of each score; of regions a later one takes what an earlier one had.
    crop_to_nonzero : bool
        The network sees the box around what is not zero; the rest is background.
    pictures : bool
        Trained on pictures, which have no spacing: a pixel counts as 1, whatever a file says.
    """

    transpose: tuple[int, int, int]
    normalisation: tuple[ChannelNormalisation, ...]
    spacing_mm: tuple[float, ...]
    image: Resampling
    scores: Resampling
    regions: bool
    labels: tuple[int, ...]
    crop_to_nonzero: bool = True
    pictures: bool = False

    def as_manifest(self) -> dict[str, Any]:
        """As engine files keep it."""
        return asdict(self)

    @property
    def by_slices(self) -> bool:
        """Whether the network has two dimensions."""
        return len(self.spacing_mm) == 2


def recipe_of(manifest: Mapping[str, Any]) -> Recipe | None:
    """The recipe in an engine's manifest; None where its network takes images as they are.

    Raises
    ------
    EngineFileError
        It is none that this version knows.
    """
    stored = manifest.get(FIELD)
    if stored is None:
        return None
    try:
        recipe = Recipe(
            transpose=_axes(stored["transpose"]),
            normalisation=tuple(ChannelNormalisation(**one) for one in stored["normalisation"]),
            spacing_mm=tuple(map(float, stored["spacing_mm"])),
            image=Resampling(**stored["image"]),
            scores=Resampling(**stored["scores"]),
            regions=bool(stored["regions"]),
            labels=tuple(map(int, stored["labels"])),
            crop_to_nonzero=bool(stored["crop_to_nonzero"]),
            pictures=bool(stored.get("pictures", False)),
        )
        _check(recipe)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise EngineFileError(
            f"manifest.{FIELD}: {error!r}; a later version may know it"
        ) from error
    return recipe


def _check(recipe: Recipe) -> None:
    """Refuse what cannot be meant; ValueError."""
    if sorted(recipe.transpose) != [0, 1, 2]:
        raise ValueError(f"transpose {recipe.transpose} is no order of three axes")
    if len(recipe.spacing_mm) not in (2, 3) or not all(
        math.isfinite(step) and step > 0 for step in recipe.spacing_mm
    ):
        raise ValueError(f"spacing_mm {recipe.spacing_mm} must be two or three sizes above 0")
    if not recipe.labels or not all(0 <= label < 1 << 16 for label in recipe.labels):
        raise ValueError(f"labels {recipe.labels} must be from 0 to 65535")
    if not all(0 <= how.order <= 5 for how in (recipe.image, recipe.scores)):
        raise ValueError("orders of resampling must be from 0 to 5")
    for how in recipe.normalisation:
        if how.name not in NORMALISATIONS:
            raise ValueError(f"normalisation {how.name!r} is not known")


def takes_volumes(manifest: Mapping[str, Any]) -> bool:
    """Whether an engine's network takes what a recipe prepares."""
    return FIELD in manifest


def check_prepared(dtype: npt.DTypeLike, manifest: Mapping[str, Any]) -> None:
    """Refuse pixels as they come from a file where the network takes what a recipe prepares."""
    if takes_volumes(manifest) and np.dtype(dtype) != np.float32:
        raise ValueError(
            "the network takes slices that are normalised and resampled, as float32, got "
            f"{np.dtype(dtype)}; pyengine.volumes.segment_volume and Engine.segment_file prepare them"
        )


def _axes(given: Any) -> tuple[int, int, int]:
    first, second, third = map(int, given)
    return first, second, third
