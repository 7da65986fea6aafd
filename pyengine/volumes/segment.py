"""A volume segmented as nnU-Net does it: prepared, in windows, restored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pyengine._core import UnsupportedError
from pyengine.arguments import SegmentKeywords, documented
from pyengine.progress import Progress
from pyengine.volumes.predict import scores_of
from pyengine.volumes.prepare import prepare
from pyengine.volumes.recipe import Recipe, recipe_of
from pyengine.volumes.restore import check_restorable, restore

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pyengine.engine import Engine


@documented(SegmentKeywords)
def segment_volume(
    engine: Engine,
    volume: npt.NDArray[Any],
    spacing: Sequence[float],
    *,
    progress: Progress = False,
    **options: Unpack[SegmentKeywords],
) -> npt.NDArray[Any]:
    """Labels of a volume, for engines whose file says how volumes are prepared.

    Parameters
    ----------
    engine : Engine
    volume : ndarray of numbers, shape (D, H, W) or (D, H, W, C)
        Axes z, y, x as SimpleITK gives them; NIfTI's own order, reversed. Never modified.
    spacing : (float, float, float)
        Along z, y and x, in mm.
    progress : bool or callable
        As in `Engine.segment`.
    **options : SegmentKeywords

    Returns
    -------
    ndarray of uint8 or uint16, shape (D, H, W)
        nnU-Net's labels, but for voxels whose two best scores are nearly equal.

    Raises
    ------
    ImportError
        SciPy or scikit-image is missing; names the extra that brings them.
    TypeError, ValueError
        A volume, spacing or option that does not fit, and why.
    UnsupportedError
        The engine takes images as they are.

    Notes
    -----
    `mode` is "nnunet" and `tta` is "mirror" (where the network was trained so) unless given. Beside
    the volume and its labels memory holds it once prepared (float32), one channel in float64 while
    it is resampled, and scores of two slices (of a network over three axes: of a window's depth).
    """
    recipe = recipe_for(engine, options)
    if not isinstance(volume, np.ndarray) or volume.ndim not in (3, 4):
        raise ValueError(
            "the volume must be an array (D, H, W) or (D, H, W, C), got "
            f"{getattr(volume, 'shape', type(volume).__name__)}"
        )
    channels = volume[None] if volume.ndim == 3 else np.moveaxis(volume, -1, 0)
    return segment_channels(engine, recipe, channels, spacing, progress, options)


def recipe_for(engine: Engine, options: SegmentKeywords) -> Recipe:
    """The engine's recipe; refuses engines and options that volumes are not for."""
    recipe = recipe_of(engine.info.manifest)
    if recipe is None:
        raise UnsupportedError(
            f"{engine.info.path}: says nothing of how volumes are prepared; it takes images, or "
            "stacks of them, as they are"
        )
    if options.get("region") is not None:
        raise UnsupportedError("region: volumes are segmented whole; crop the result")
    check_restorable(recipe)
    return recipe


def segment_channels(
    engine: Engine,
    recipe: Recipe,
    channels: npt.NDArray[Any],
    spacing: Sequence[float],
    progress: Progress,
    options: SegmentKeywords,
) -> npt.NDArray[Any]:
    """`segment_volume` of (C, z, y, x), checked as far as the recipe and options go."""
    prepared = prepare(channels, spacing, recipe)
    slabs = scores_of(engine, recipe, prepared.data, progress, options)
    return restore(slabs, prepared, recipe)
