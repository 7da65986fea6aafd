"""The panel: an engine, an image, labels. napari makes its fields of the function's arguments."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np

from pyengine.engine import Engine
from pyengine.napari.layers import Array, palette
from pyengine.shipped import engines

# What the arguments below are for napari, which alone can resolve the names.
_IMAGE = "napari.types.ImageData"
_LAYER = "napari.types.LayerDataTuple"


def segment(
    image: Any,
    engine: Annotated[str, {"choices": lambda _: list(engines())}] = "em-membranes",
    engine_file: Path = Path(),
    output: Literal["labels", "probabilities", "uncertainty"] = "labels",
    tta: Literal["none", "flips", "d4"] = "none",
) -> Any:
    """Segment a layer.

    Parameters
    ----------
    image : array, shape (H, W), (H, W, C), (N, H, W) or (N, H, W, C)
        C is what the network takes; pages are segmented one by one.
    engine : str
        One that ships.
    engine_file : Path
        A ``*.pyengine`` file in its place.
    output : {"labels", "probabilities", "uncertainty"}
    tta : {"none", "flips", "d4"}

    Returns
    -------
    tuple
        Data, attributes and type of a new layer.

    Raises
    ------
    ValueError
        The image has not the channels that the network takes.
    """
    chosen = str(engine_file) if str(engine_file) not in ("", ".") else engine
    network = _opened(chosen)
    info = network.info
    pixels = _pixels(np.asarray(image))
    pages, stacked = _pages(pixels, int(info.input["channels"]))
    results = [network.segment(page, output=output, tta=tta) for page in pages]
    data = np.stack(results) if stacked else results[0]
    name = f"{output} by {Path(info.path).stem}"
    if output == "labels":
        metadata = {"classes": list(info.classes)}
        return (
            data,
            {"name": name, "colormap": palette(info.colors), "metadata": metadata},
            "labels",
        )
    return data, {"name": name, "colormap": "viridis", "contrast_limits": (0, 1)}, "image"


segment.__annotations__ |= {"image": _IMAGE, "return": _LAYER}


@lru_cache(maxsize=2)
def _opened(engine: str) -> Engine:
    return Engine(engine)


def _pixels(image: Array) -> Array:
    """In a dtype that engines take."""
    return image if image.dtype in (np.uint8, np.uint16, np.float32) else image.astype(np.float32)


def _pages(image: Array, channels: int) -> tuple[list[Array], bool]:
    """The images of a layer, and whether they are a stack."""
    flat = 2 if channels == 1 else 3
    if channels == 1 and image.ndim in (3, 4) and image.shape[-1] in (3, 4):
        raise ValueError(
            "the layer is in colour, the network takes one channel; convert it to grey"
        )
    if channels > 1 and (image.ndim not in (3, 4) or image.shape[-1] != channels):
        raise ValueError(
            f"the network takes {channels} channels, the layer has the shape {image.shape}"
        )
    if image.ndim == flat:
        return [np.ascontiguousarray(image)], False
    if image.ndim == flat + 1:
        return [np.ascontiguousarray(page) for page in image], True
    raise ValueError(f"a layer of shape {image.shape} is neither an image nor a stack")
