"""Images of all formats that pyengine reads, and labels that it wrote, as layers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from pyengine.formats.boundary import reading
from pyengine.formats.format import ReadOptions
from pyengine.formats.registry import find_format, locate
from pyengine.made_files import results_in
from pyengine.measurements.spacing import spacing_of
from pyengine.napari.layers import LayerData, palette, scale_of


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData]] | None:
    """Napari's question whether a path is read here."""
    paths = [path] if isinstance(path, str) else path
    if paths and all(find_format(locate(one).path) is not None for one in paths):
        return read_layers
    return None


def read_layers(path: str | list[str]) -> list[LayerData]:
    """One layer for each path.

    Raises
    ------
    OSError, ValueError
        A file cannot be read; the message names it.
    """
    return [_layer(one) for one in ([path] if isinstance(path, str) else path)]


def _layer(path: str) -> LayerData:
    location = locate(path)
    about = results_in(location.path.parent).get(Path(str(location)).name, {})
    is_labels = about.get("kind") == "labels"
    image_format = find_format(location.path)
    assert image_format is not None  # as `get_reader` said
    # Not fitted to a network: all channels are shown.
    how = ReadOptions(1, indices=is_labels)
    with reading(location, image_format.title), image_format.open(location, how) as reader:
        height = reader.shape[0]
        pages = [reader.rows(page, 0, height) for page in range(reader.pages)]
        data = np.stack(pages) if reader.stacked else pages[0]
        is_rgb = len(reader.shape) == 3 and reader.shape[2] in (3, 4)
        if len(reader.shape) == 3 and not is_rgb:
            data = np.moveaxis(data, -1, 0)  # channels become an axis that a slider moves along
        ndim = data.ndim - is_rgb
        more = scale_of(spacing_of(reader), ndim) if ndim <= 2 + reader.stacked else {}
    name = Path(path).name
    if is_labels:
        colors = palette(tuple((r, g, b) for r, g, b in about["colors"]))
        metadata = {"classes": list(about["classes"])}
        return data, {"name": name, "colormap": colors, "metadata": metadata, **more}, "labels"
    return data, {"name": name, "rgb": is_rgb, **more}, "image"
