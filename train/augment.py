"""Random changes of image and labels together, made of MONAI's transforms."""

from __future__ import annotations

from typing import Any

import numpy as np
from monai.transforms import (
    Compose,
    MapTransform,
    Rand2DElasticd,
    RandAdjustContrastd,
    RandAffined,
    RandFlipd,
    RandGaussianNoised,
    RandGaussianSmoothd,
    Randomizable,
    RandRotate90d,
    RandScaleIntensityd,
    RandShiftIntensityd,
    RandZoomd,
)

from train.settings import AugmentationConfig

KEYS = ("image", "maps")
_MODES = ("bilinear", "nearest")


def augmentation(config: AugmentationConfig, size: int | None, foreground: float = 0.0) -> Compose:
    """The pipeline for one training pair, a dict of "image" and "maps".

    Order: zoom, crop, elastic deformation or affine map, flips, grey values. The deformation is
    that of Ronneberger 2015, section 3.1: random displacements of coarse control points,
    interpolated bicubically.

    Parameters
    ----------
    config : AugmentationConfig
        Every part can be switched off.
    size : int, optional
        Side of the patch in pixels, context included; None keeps the whole image.
    foreground : float
        Share of patches centred on the foreground.

    Returns
    -------
    monai.transforms.Compose
        On float32 arrays (C, H, W); seed it with ``set_random_state``.
    """
    c = config
    steps: list[Any] = []
    if tuple(c.zoom) != (1.0, 1.0):
        steps.append(
            RandZoomd(KEYS, prob=1, min_zoom=c.zoom[0], max_zoom=c.zoom[1], mode=("bilinear", "nearest-exact"),
                      keep_size=False)
        )  # fmt: skip
    affine = {
        "rotate_range": np.deg2rad(c.rotation_degrees),
        "scale_range": (c.stretch, c.stretch),
        "translate_range": (c.shift_px, c.shift_px),
    }
    moved = c.elastic_px > 0 or any(np.any(v) for v in affine.values())
    if size is not None:
        # What rotates or bends into the patch from outside must be there.
        room = 1 + c.stretch + np.sin(np.deg2rad(min(c.rotation_degrees, 45.0))) if moved else 1
        extra = 2 * int(c.elastic_px + c.shift_px)
        steps.append(RandMirrorCropd(KEYS, int(np.ceil(size * room)) + extra, size, foreground))
    target = None if size is None else (size, size)
    if c.elastic_px > 0:
        steps.append(
            Rand2DElasticd(KEYS, spacing=c.elastic_spacing_px, magnitude_range=(0, c.elastic_px),
                           spatial_size=target, prob=1, mode=_MODES, padding_mode="reflection", **affine)
        )  # fmt: skip
    elif moved:
        steps.append(
            RandAffined(KEYS, spatial_size=target, prob=1, mode=_MODES, padding_mode="reflection", **affine)
        )  # fmt: skip
    for wanted, axis in ((c.flip_vertical, 0), (c.flip_horizontal, 1)):
        if wanted:
            steps.append(RandFlipd(KEYS, prob=0.5, spatial_axis=axis))
    if c.rotate_90:
        steps.append(RandRotate90d(KEYS, prob=0.75))
    if c.gamma > 1:
        steps.append(RandAdjustContrastd("image", prob=0.5, gamma=(1 / c.gamma, c.gamma)))
    if c.blur_px > 0:
        steps.append(RandGaussianSmoothd("image", (0.3, c.blur_px), (0.3, c.blur_px), prob=1 / 3))
    if c.contrast > 0:
        steps.append(RandScaleIntensityd("image", c.contrast, prob=1, channel_wise=True))
    if c.brightness > 0:
        steps.append(RandShiftIntensityd("image", c.brightness, prob=1, channel_wise=True))
    if c.noise > 0:
        steps.append(RandGaussianNoised("image", prob=0.5, std=c.noise))
    return Compose(steps)


class RandMirrorCropd(Randomizable, MapTransform):
    """Square crop at a random place of the plane that mirrors the image at its borders.

    The network thus sees at borders in training what it sees there in an engine.

    Parameters
    ----------
    keys : sequence of str
    side : int
        In pixels, also greater than the image.
    size : int
        Side of what further steps leave of it; at most two fifths of that lie outside the image,
        where the image is large enough.
    foreground : float
        Probability of centring on a pixel where the first map is not 0, if there is one.
    """

    def __init__(
        self, keys: tuple[str, ...], side: int, size: int, foreground: float = 0.0
    ) -> None:
        MapTransform.__init__(self, keys)
        self.side = side
        self.size = size
        self.foreground = foreground

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        height, width = data["image"].shape[-2:]
        y, x = self._center(height), self._center(width)
        if self.R.uniform() < self.foreground:
            pixels = np.flatnonzero(np.asarray(data["maps"][0]))
            if pixels.size:
                y, x = divmod(int(pixels[self.R.randint(pixels.size)]), width)
        rows = mirror(np.arange(self.side) + y - self.side // 2, height)
        cols = mirror(np.arange(self.side) + x - self.side // 2, width)
        return data | {k: data[k][..., rows[:, None], cols[None, :]] for k in self.keys}

    def _center(self, length: int) -> int:
        keep = min(int(0.1 * self.size), length // 2)
        return int(self.R.randint(keep, max(length - keep, keep + 1)))


def mirror(index: np.ndarray, size: int) -> np.ndarray:
    """Indices folded back into [0, size) by reflection at the edge pixels, as often as needed."""
    if size == 1:
        return np.zeros_like(index)
    period = 2 * (size - 1)
    folded = np.abs(index) % period
    return np.minimum(folded, period - folded)
