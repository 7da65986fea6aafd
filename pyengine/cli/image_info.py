"""What an image file holds, and how it is read: `pyengine info IMAGE`."""

from __future__ import annotations

import argparse
from pathlib import Path

from pyengine.cli.options import read_options
from pyengine.formats import FORMATS, Reader
from pyengine.formats.fitted_reader import FittedReader
from pyengine.formats.registry import find_format, locate, open_image


def is_image(text: str) -> bool:
    """Whether a file, or a folder that is an image, is meant; also one that is not there."""
    path = locate(text).path
    if path.suffix.lower() == ".pyengine":
        return False
    absent = not path.exists() and any(f.has_name(path) for f in FORMATS)
    return absent or find_format(path) is not None


def print_image(args: argparse.Namespace) -> None:
    """Format, size, axes and who says so, size of pixels, levels."""
    with open_image(args.engine, args.channels, **read_options(args)) as reader:
        rows = [("file", args.engine), ("format", _title(locate(args.engine).path))]
        rows += [("images", _images(reader)), ("axes", _axes(reader))]
        if size := reader.calibration:
            apart = "" if size.depth is None else f", {size.depth:g} {size.unit} apart"
            rows.append(("pixel", f"{size.height:g} x {size.width:g} {size.unit}{apart}"))
        if len(reader.levels) > 1:
            levels = (f"{n}: {h} x {w} px" for n, (h, w) in enumerate(reader.levels))
            rows.append(("levels", ", ".join(levels)))
    for key, value in rows:
        print(f"{key:<7} {value}")


def _title(path: Path) -> str:
    image_format = find_format(path)
    return "" if image_format is None else image_format.title


def _images(reader: FittedReader) -> str:
    height, width, *channels = reader.stored_shape
    stack = " x ".join(f"{n} ({axis})" for axis, n in reader.stack)
    count = f"{reader.pages}" + (f" = {stack}" if len(reader.stack) > 1 else "")
    depth = channels[0] if channels else 1
    return f"{count} of {height} x {width} px, {depth} channel(s), {reader.stored_dtype}"


def _axes(reader: Reader) -> str:
    if reader.axes_by == "lengths":
        return f"{reader.axes}, by their lengths; --axes names others"
    return f"{reader.axes}, as {reader.axes_by} says" if reader.axes else "YX"
