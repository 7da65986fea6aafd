"""Heidelberg Engineering's files, by eyepy: values as they are displayed, from 0 to 255."""

from __future__ import annotations

import contextlib
import logging
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np

from pyengine.formats.boundary import ImageRefusedError
from pyengine.formats.format import Array, Format, Library, Location, Reader, ReadOptions
from pyengine.formats.oct.bscan_reader import BscanReader

_EXTRA = (Library(("eyepy",), "oct"),)
_XML_MARK = b"<HEDX"
_HEAD_BYTES = 1024
_E2E_BSCAN = 35652097  # of kinds of images

# What is wrong with a file is in the exceptions; without a handler the log goes to stderr, too.
logging.getLogger("eyepy").addHandler(logging.NullHandler())


class HeidelbergVol(Format):
    """Raw export."""

    title = "Heidelberg VOL"
    suffixes = (".vol",)
    libraries = _EXTRA

    def is_begun_by(self, head: bytes) -> bool:
        return head.startswith(b"HSF-OCT-")

    def open(self, source: Location, options: ReadOptions) -> Reader:
        import eyepy

        return _reader(eyepy.import_heyex_vol(source.path), options)


class HeidelbergXml(Format):
    """Export as XML with an image for each B-scan, which lie beside it."""

    title = "Heidelberg XML"
    noun = "Heidelberg XML export"
    suffixes = (".xml",)
    libraries = _EXTRA

    def recognises(self, path: Path) -> bool:
        if not super().recognises(path):
            return False
        with path.open("rb") as file:
            return _XML_MARK in file.read(_HEAD_BYTES)

    def is_begun_by(self, head: bytes) -> bool:
        return _XML_MARK in head[:_HEAD_BYTES]

    def parts(self, path: Path) -> tuple[Path, ...]:
        try:
            names = _images_of(path)
        except (OSError, ImageRefusedError):  # it will be told where it is opened
            return (path,)
        return (path, *(path.with_name(n) for n in names if path.with_name(n).is_file()))

    def open(self, source: Location, options: ReadOptions) -> Reader:
        import eyepy

        for name in _images_of(source.path):
            if not source.path.with_name(name).is_file():
                raise ImageRefusedError(f"names the image {name!r}, which is not beside it")
        return _reader(eyepy.import_heyex_xml(source.path), options)


class HeidelbergE2e(Format):
    """Export of patients: volumes as ``file.e2e:/NAME``, by the numbers of their series."""

    title = "Heidelberg E2E"
    suffixes = (".e2e",)
    has_names = True
    libraries = _EXTRA

    def is_begun_by(self, head: bytes) -> bool:
        return head.startswith((b"CMDb", b"E2EMultipleVo"))

    def open(self, source: Location, options: ReadOptions) -> Reader:
        from eyepy.core.utils import from_e2e_intensity
        from eyepy.io.he import HeE2eReader

        eye = None
        with HeE2eReader(source.path) as file:
            found = {str(series.id): series for series in file.series if series.n_bscans > 0}
            name = next(iter(found)) if source.name is None and len(found) == 1 else source.name
            if name not in found:
                raise ImageRefusedError(
                    f"{source.path}: name the series as {source.path}:/NAME; it holds "
                    f"{', '.join(found) or 'none'}"
                )
            series = found[name]
            scans = from_e2e_intensity(_reflectivities(series))
            with contextlib.suppress(KeyError, IndexError):
                said = series.laterality()  # as a number of ASCII, or as its name
                eye = chr(int(said)) if said.isdigit() else said[-2:]
        return BscanReader(
            scans.__getitem__, len(scans), scans.shape[1:], scans.dtype, options, eye=eye
        )


def _reader(volume: Any, options: ReadOptions) -> Reader:
    array = volume.data
    count, height, width = array.shape
    said = volume.meta.get("scale_unit", "mm") == "mm"
    spacing = (volume.scale_y, volume.scale_x, volume.scale_z) if said else (None, None, None)
    return BscanReader(
        lambda number: array[number], count, (height, width), array.dtype, options, spacing,
        str(volume.laterality),
    )  # fmt: skip


def _reflectivities(series: Any) -> Array:
    """B-scans of a series, float32, shape (N, H, W).

    eyepy's own volumes need layers and a localizer, which not all files hold, and take the ten bits
    of a mantissa in reverse.
    """
    from eyepy.io.he.e2e_format import TypesEnum

    scans = []
    for _, one in sorted(series.slices.items()):
        for folder in one.folders.get(TypesEnum.image, ()):
            content = folder.get_bytes()
            _, kind, count, height, width = struct.unpack_from("<5I", content)
            if kind == _E2E_BSCAN:
                stored = np.frombuffer(content, "<u2", count, 20).reshape(height, width)
                mantissa, exponent = 1 + (stored & 1023) / 1024, (stored >> 10).astype(int) - 63
                scans.append(np.ldexp(mantissa, exponent).astype(np.float32))
    return np.stack(scans)


def _images_of(path: Path) -> list[str]:
    """Names of images that an export refers to; they lie in its own folder."""
    text = path.read_text("utf-8", errors="replace")
    names = [url.strip().split("\\")[-1] for url in re.findall(r"<ExamURL>(.*?)</ExamURL>", text)]
    for name in names:
        if name in ("", "..", ".") or "/" in name:
            raise ImageRefusedError(f"names an image {name!r} outside its own folder")
    return names
