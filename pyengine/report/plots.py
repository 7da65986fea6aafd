"""Plots as SVG that follow the page's colours, and pictures as data addresses."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from pyengine.html import in_words
from pyengine.measurements.etdrs import RADII_MM

Array = npt.NDArray[Any]
_WIDTH, _HEIGHT = 320, 170
_LEFT, _RIGHT, _TOP, _BOTTOM = 34, 8, 8, 34
# Viridis (Smith and van der Walt 2015) at even distances: as light as they are large.
_MAP = np.array(
    [(68, 1, 84), (65, 68, 135), (42, 120, 142), (34, 168, 132), (122, 209, 81), (253, 231, 37)],
    np.float64,
)


def data_address(image: Array, lossless: bool = False) -> str:
    """An RGB image of uint8 as a ``data:`` address: JPEG, or PNG."""
    buffer = io.BytesIO()
    if lossless:
        Image.fromarray(image).save(buffer, "PNG", optimize=True)
    else:
        Image.fromarray(image).save(buffer, "JPEG", quality=85)
    kind = "png" if lossless else "jpeg"
    return f"data:image/{kind};base64," + base64.b64encode(buffer.getvalue()).decode()


def colored(values: Array, low: float, high: float) -> npt.NDArray[np.uint8]:
    """A map in colours from `low` to `high`; grey where it is not known."""
    share = np.clip((values - low) / (high - low if high > low else 1), 0, 1)
    known = ~np.isnan(share)
    place = np.where(known, share, 0) * (len(_MAP) - 1)
    below = np.minimum(place.astype(int), len(_MAP) - 2)
    rest = (place - below)[..., None]
    color = _MAP[below] * (1 - rest) + _MAP[below + 1] * rest
    return np.where(known[..., None], color, 128).round().astype(np.uint8)


def histogram(values: Sequence[float], axis: str, log: bool = False, bins: int = 20) -> str:
    """How often values occur, as SVG; `log` spaces the bins by factors."""
    data = np.asarray(values, np.float64)
    low, high = float(data.min()), float(data.max())
    if low == high:
        low, high = (
            (low / 2, high * 2) if log else (low - 0.5 * abs(low or 1), high + 0.5 * abs(high or 1))
        )
    edges = np.geomspace(low, high, bins + 1) if log else np.linspace(low, high, bins + 1)
    counts, _ = np.histogram(data, edges)
    most = max(int(counts.max()), 1)
    inner_w, inner_h = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    bottom = _TOP + inner_h
    bars = "".join(
        f'<rect class="bar" x="{_LEFT + k * inner_w / bins + 0.5:.1f}" '
        f'y="{bottom - count / most * inner_h:.1f}" width="{inner_w / bins - 1:.1f}" '
        f'height="{count / most * inner_h:.1f}"><title>{in_words(float(edges[k]))} to '
        f"{in_words(float(edges[k + 1]))}: {count}</title></rect>"
        for k, count in enumerate(counts)
    )
    places = (
        (0, "start", edges[0]),
        (bins // 2, "middle", edges[bins // 2]),
        (bins, "end", edges[-1]),
    )
    ticks = "".join(
        f'<text x="{_LEFT + k * inner_w / bins:.1f}" y="{bottom + 14}" text-anchor="{anchor}">'
        f"{_tick(float(edge), high - low)}</text>"
        for k, anchor, edge in places
    )
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(axis)}">{bars}'
        f'<path class="axis" d="M{_LEFT} {_TOP}V{bottom}H{_WIDTH - _RIGHT}"/>{ticks}'
        f'<text x="{_LEFT - 5}" y="{_TOP + 9}" text-anchor="end">{most}</text>'
        f'<text x="{_LEFT - 5}" y="{bottom}" text-anchor="end">0</text>'
        f'<text class="name" x="{_LEFT + inner_w / 2}" y="{_HEIGHT - 4}" text-anchor="middle">'
        f"{escape(axis)}</text></svg>"
    )


def _tick(value: float, span: float) -> str:
    """With as many digits as tell values apart that lie `span` from each other."""
    digits = 3 + max(0, math.floor(math.log10(max(abs(value), span) / span)))
    return in_words(float(f"{value:.{digits}g}"))


def grid(values: Sequence[float], names: Sequence[str]) -> str:
    """The nine fields of the ETDRS grid with their values, coloured up to the largest, as SVG."""
    high = max([value for value in values if not math.isnan(value)], default=0.0)
    radii = [radius / RADII_MM[-1] * 96 for radius in RADII_MM]
    shapes, texts = [], []
    for field, (value, name) in enumerate(zip(values, names, strict=True)):
        shape, (x, y) = _field(field, radii)
        r, g, b = colored(np.array([value]), 0, high)[0].tolist()
        ink = "#000" if 0.3 * r + 0.59 * g + 0.11 * b > 110 else "#fff"
        label = "" if math.isnan(value) else f"{value:.0f}"
        shapes.append(
            f'<path d="{shape}" fill="rgb({r},{g},{b})" class="field"><title>{escape(name)}: '
            f"{label or 'not covered'}</title></path>"
        )
        texts.append(
            f'<text x="{x:.1f}" y="{y + 4:.1f}" text-anchor="middle" style="fill:{ink}">{label}</text>'
        )
    return (
        '<svg viewBox="-100 -100 200 200" class="grid" role="img" '
        f'aria-label="ETDRS grid">{"".join(shapes)}{"".join(texts)}</svg>'
    )


def _field(field: int, radii: Sequence[float]) -> tuple[str, tuple[float, float]]:
    """Outline of a field, and where its value stands."""
    if field == 0:
        r = radii[0]
        return f"M{-r} 0A{r} {r} 0 1 1 {r} 0A{r} {r} 0 1 1 {-r} 0Z", (0.0, 0.0)
    ring, quarter = 1 + (field - 1) // 4, (field - 1) % 4
    inner, outer = radii[ring - 1], radii[ring]
    middle = math.radians(quarter * 90 - 90)  # up, right, down, left; y runs down
    begin, end = middle - math.pi / 4, middle + math.pi / 4

    def at(radius: float, angle: float) -> str:
        return f"{radius * math.cos(angle):.2f} {radius * math.sin(angle):.2f}"

    path = (
        f"M{at(outer, begin)}A{outer} {outer} 0 0 1 {at(outer, end)}L{at(inner, end)}"
        f"A{inner} {inner} 0 0 0 {at(inner, begin)}Z"
    )
    half = (inner + outer) / 2
    return path, (half * math.cos(middle), half * math.sin(middle))
