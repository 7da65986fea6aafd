"""Which pages of a TIFF are its images, at which level of a pyramid, and along which axes they lie."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pyengine.formats.boundary import ImageRefusedError
from pyengine.formats.file_array import FileArray
from pyengine.formats.tiff.look import Look

# (Those that an older tifffile does not know, it reads as plain TIFF.)
_SLIDES = ("svs", "ndpi", "scn", "bif", "philips", "qpi", "avs")
_BESIDE = ("label", "macro", "overview", "thumbnail")

Stack = tuple[tuple[str, int], ...]


class Pages(NamedTuple):
    """The images of a TIFF.

    Attributes
    ----------
    pages : list
        Numbers, or pages of tifffile, of one shape and type.
    stack : tuple of (str, int)
        Letter and length of each axis along which they lie, the last the fastest.
    said : bool
        Whether the file says so.
    planes : FileArray or None
        All images, where the file has one page for them.
    levels : tuple of (int, int)
        (H, W) of each level of the pyramid.
    """

    pages: list[Any]
    stack: Stack
    said: bool
    planes: FileArray | None
    levels: tuple[tuple[int, int], ...]

    def page(self, tiff: Any, number: int) -> Any:
        """A page of tifffile that knows all its tags."""
        import tifffile

        page = self.pages[number]
        page = tiff.pages[page] if isinstance(page, int) else page
        # Frames know few tags; those without a place in the file are all that there is.
        return page.aspage() if isinstance(page, tifffile.TiffFrame) and page.offset else page


def find_pages(tiff: Any, level: int) -> Pages:
    """The images of a TIFF; reduced pages, masks, and a slide's label and overview are left out.

    Raises
    ------
    ImageRefusedError
        They are not alike, or one is not taken, or there is no such level.
    """
    if any(getattr(tiff, f"is_{slide}", False) for slide in _SLIDES):
        return _of_series(tiff, tiff.series[0], level)
    if tiff.is_ome and tiff.series and tiff.series[0].kind == "ome":
        return _of_series(tiff, _only_image(tiff), level)
    levels = _levels_of_pages(tiff)
    pages = levels[_checked(level, [shape for shape, _ in levels])][1]
    first = tiff.pages[pages[0]] if isinstance(pages[0], int) else pages[0]
    planes = _planes_without_pages(tiff, first, len(pages)) if level == 0 else None
    count = len(pages) if planes is None else planes.shape[0]
    described = _described_stack(tiff, count)
    shapes = tuple(shape for shape, _ in levels)
    stack = described or ((("N", count),) if count > 1 else ())
    return Pages(pages, stack, bool(described), planes, shapes)


def _checked(level: int, shapes: list[tuple[int, int]]) -> int:
    if not 0 <= level < len(shapes):
        sizes = ", ".join(f"{n}: {h} x {w} px" for n, (h, w) in enumerate(shapes))
        raise ImageRefusedError(f"has no level {level}; it has {sizes}")
    return level


def _of_series(tiff: Any, series: Any, level: int) -> Pages:
    """The images of a series that tifffile follows: all levels, axes as the file says."""
    shapes = [(int(one.keyframe.imagelength), int(one.keyframe.imagewidth))
              for one in series.levels]  # fmt: skip
    pages = list(series.levels[_checked(level, shapes)].pages)
    if any(page is None for page in pages):
        raise ImageRefusedError(f"lacks planes: {sum(page is None for page in pages)} of "
                                f"{len(pages)} that it describes")  # fmt: skip
    others = {page.parent.filehandle.name for page in pages if page.parent is not tiff}
    if others:
        raise ImageRefusedError(
            f"its planes lie in other files too ({', '.join(sorted(others)[:3])}); name those "
            "files, or write all planes into one"
        )
    sizes = dict(zip(series.axes, series.shape, strict=True))
    stack = tuple((axis, n) for axis, n in sizes.items() if axis not in "YXS")
    if math.prod(n for _, n in stack) != len(pages):
        raise ImageRefusedError(f"{len(pages)} pages are not {_product(stack)}")
    return Pages(pages, stack, True, None, tuple(shapes))


def _product(stack: Stack) -> str:
    return " x ".join(f"{n} ({axis})" for axis, n in stack) or "one image"


def _only_image(tiff: Any) -> Any:
    """Of the images that OME describes the one that is neither label nor overview."""
    images = [s for s in tiff.series if not any(word in s.name.lower() for word in _BESIDE)]
    if len(images) > 1:
        names = ", ".join(f"{s.name or n} {tuple(s.shape)}" for n, s in enumerate(images))
        raise ImageRefusedError(f"holds {len(images)} images, {names}; write each to its own file")
    return (images or tiff.series)[0]


def _levels_of_pages(tiff: Any) -> list[tuple[tuple[int, int], list[Any]]]:
    """(H, W) and pages of each level, from the full size down; numbers of pages at level 0."""
    full: list[int] = []
    reduced: dict[tuple[int, int], list[Any]] = {}
    first: Any = None
    for number, page in enumerate(tiff.pages):
        if page.is_mask:
            continue
        if page.is_reduced:
            reduced.setdefault((page.imagelength, page.imagewidth), []).append(number)
            continue
        look = Look(page)
        alike = look.shape, np.dtype(page.dtype), page.photometric, page.planarconfig
        if first is None:
            first, shape = alike, look.shape
        if alike != first:
            raise ImageRefusedError(
                f"page {number} is {page.dtype} {look.shape}, the first {first[1]} {shape}; "
                "pages must be alike"
            )
        full.append(number)
        for below in _pages_below(page):
            if not below.is_mask:
                reduced.setdefault((below.imagelength, below.imagewidth), []).append(below)
    if not full:
        raise ImageRefusedError("holds no page of full size")
    # What is not there for every image is a thumbnail.
    smaller = sorted(((s, p) for s, p in reduced.items() if len(p) == len(full)),
                     key=lambda pair: pair[0], reverse=True)  # fmt: skip
    return [(shape[:2], full), *smaller]


def _pages_below(page: Any) -> Iterator[Any]:
    """Pages that a page refers to, its own pyramid."""
    if getattr(page, "subifds", None) and page.pages is not None:
        yield from page.pages


def _described_stack(tiff: Any, count: int) -> Stack:
    """Axes of the stack as ImageJ, tifffile and others describe them; empty where nothing does."""
    if count < 2 or not (tiff.is_imagej or tiff.is_shaped or tiff.is_stk or tiff.is_lsm):
        return ()
    series = tiff.series[0]
    sizes = zip(series.axes, series.shape, strict=True)
    stack = tuple((axis, n) for axis, n in sizes if axis not in "YXS" and n > 1)
    # Q and I are tifffile's words for axes that nobody named.
    known = all(axis not in "QI" for axis, _ in stack)
    return stack if known and math.prod(n for _, n in stack) == count else ()


def _planes_without_pages(tiff: Any, first: Any, pages: int) -> FileArray | None:
    """All planes where a file describes more of them than it has pages; else None.

    ImageJ (stacks over 4 GB), tifffile ("truncate") and MetaMorph store one page and the planes
    in a row.
    """
    if not (tiff.is_imagej or tiff.is_shaped or tiff.is_stk):
        return None
    series = tiff.series[0]
    planes = math.prod(series.shape) // math.prod(first.shape)
    if planes <= pages:
        return None
    if series.dataoffset is None:
        raise ImageRefusedError(f"describes {planes} planes, of which only {pages} can be reached")
    return FileArray(
        Path(tiff.filehandle.path),
        series.dataoffset,
        (planes, *first.shape),
        np.dtype(first.dtype).newbyteorder(tiff.byteorder),
    )
