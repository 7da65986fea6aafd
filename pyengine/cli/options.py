"""Options that several verbs share, and what their words mean."""

from __future__ import annotations

import argparse
import glob
import sys
from collections.abc import Iterator
from pathlib import Path

from pyengine.arguments import ACCURACIES, MODES, SegmentKeywords
from pyengine.engine import Engine
from pyengine.formats.format import MAX_PIXELS, ReadKeywords
from pyengine.formats.registry import files_of, find_format, images_below, locate, open_image
from pyengine.input_range import InputRangeOption
from pyengine.made_files import files_made_in
from pyengine.shipped import engines

_ROWS_TO_TRY = 64


def add_engine_options(
    p: argparse.ArgumentParser, default: str | None = None, by_image: bool = False
) -> None:
    usual = f" (default: {default})" if default else ""
    if by_image:
        usual = " (needed where not exactly one engine that ships fits the first image)"
    p.add_argument(
        "--engine", "-e", default=default, required=default is None and not by_image,
        help=f"engine file or name{usual}",
    )  # fmt: skip
    p.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")
    p.add_argument("--threads", type=int, help="of one image (default: every core available)")
    p.add_argument(
        "--accuracy", default="default", choices=ACCURACIES,
        help="fast: less time for 3x3 layers, more rounding (most with AMX)",
    )  # fmt: skip


def open_engine(args: argparse.Namespace) -> Engine:
    return Engine(args.engine, device=args.device, threads=args.threads, accuracy=args.accuracy)


def only_fitting_engine(paths: list[str], how: ReadKeywords) -> str:
    """The one engine that ships whose channels are those of the first image that can be read.

    Raises
    ------
    ValueError
        Several fit, or none; all are listed.
    """
    channels = {name: int(Engine(name, device="cpu").info.input["channels"]) for name in engines()}
    listed = ", ".join(f"{name} ({n} channel{'s'[: n > 1]})" for name, n in channels.items())
    for path in paths:
        fits = {n: _fits(path, n, how) for n in set(channels.values())}
        fitting = [name for name, n in channels.items() if fits[n]]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            raise ValueError(f"give --engine: {path} fits {', '.join(fitting)} alike")
    raise ValueError(f"give --engine: no image fits one of those that ship, {listed}")


def _fits(path: str, channels: int, how: ReadKeywords) -> bool:
    try:
        with open_image(path, channels, **how) as reader:
            # Whether colours differ is known where rows are read; the first ones are enough to ask.
            rows = reader.rows(0, 0, min(reader.shape[0], _ROWS_TO_TRY))
    except (OSError, ValueError):
        return False
    return (rows.shape[2] if rows.ndim == 3 else 1) == channels


def add_tile_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("--tile", help="output tile in pixels, N or HxW (default: by the cost model)")
    p.add_argument("--batch-size", type=int, help="tiles per network call (default: automatic)")
    p.add_argument(
        "--max-memory",
        help="working memory, e.g. 512M or 2G (default: 1G, up to half of what is free where that "
        "takes much longer)",
    )  # fmt: skip
    p.add_argument(
        "--mode", choices=MODES,
        help="exact (default), or overlapping windows, for networks without exact tiles (default "
        "of engines for volumes: nnunet)",
    )  # fmt: skip
    p.add_argument(
        "--overlap", type=float,
        help="of windows: fraction of the tile if below 1, else pixels (default: 0.25)",
    )  # fmt: skip


def add_value_options(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--threshold", type=float,
        help="labels by probability: the last class above it, background where none is; for "
        "sigmoids, and for two classes (default: one half)",
    )  # fmt: skip
    p.add_argument(
        "--input-range", metavar="LOW,HIGH",
        help="values of the images that are 0 and the largest on the network's scale, or dtype: "
        "all of their type, of floats 0 to 1 (default: values are taken as they are)",
    )  # fmt: skip


def input_range(text: str | None) -> InputRangeOption | None:
    if text is None:
        return None
    if text == "dtype":
        return "dtype"
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError as error:
        raise ValueError(f"--input-range must be LOW,HIGH or dtype, got {text!r}") from error
    return low, high


def add_read_options(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--axes",
        help="which axis of a file is what, in its order: Y, X, C for channels, other letters for "
        "axes whose images are segmented one by one, as in ZYX (default: as the file says, or by "
        "lengths; info FILE shows it)",
    )  # fmt: skip
    p.add_argument(
        "--level", type=int, default=0, help="of a pyramid; 0 is the full resolution (default: 0)"
    )
    p.add_argument(
        "--max-pixels", type=int, default=MAX_PIXELS,
        help="that are decoded in one piece, as PNG and compressed strips are, against files that "
        f"unpack to more than memory holds (default: {MAX_PIXELS})",
    )  # fmt: skip


def read_options(args: argparse.Namespace) -> ReadKeywords:
    return {"axes": args.axes, "level": args.level, "max_pixels": args.max_pixels}


def size(text: str, what: str) -> tuple[int, int]:
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(p.isdigit() and int(p) > 0 for p in parts):
        raise ValueError(f"{what} must be N or HxW in pixels, got {text!r}")
    return int(parts[0]), int(parts[-1])


def byte_count(text: str | None) -> int | None:
    if text is None:
        return None
    factors = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
    number, factor = (
        (text[:-1], factors[text[-1].upper()]) if text[-1:].upper() in factors else (text, 1)
    )
    if not number.isdigit() or int(number) == 0:
        raise ValueError(f"max-memory must be like 512M or 2G, got {text!r}")
    return int(number) * factor


def tile_options(args: argparse.Namespace) -> SegmentKeywords:
    return {
        "tile": size(args.tile, "tile") if args.tile else None,
        "batch_size": args.batch_size,
        "max_memory": byte_count(args.max_memory),
        "mode": args.mode or "exact",
        "overlap": _overlap(args),
    }


def _overlap(args: argparse.Namespace) -> float:
    if args.overlap is None:
        return 0.25
    if args.mode in (None, "exact"):
        raise ValueError("--overlap is about windows: give --mode gaussian or constant as well")
    return float(args.overlap)


def expand(patterns: list[str]) -> list[tuple[str, str]]:
    """(input, name relative to its folder) of all images.

    Folders give the images in them that are neither hidden nor this program's own results, as
    noted beside them; a folder that is one image is one.
    """
    found: list[tuple[str, str]] = []
    for pattern in patterns:
        location = locate(pattern)
        path = location.path
        if location.name is not None or _is_one_input(path):
            found.append((pattern, path.name))
        elif path.is_dir():
            images = _foreign_images(path)
            found += [(str(p), str(p.relative_to(path))) for p in images]
        else:
            matches = sorted(glob.glob(pattern, recursive=True))
            if not matches:
                raise FileNotFoundError(f"{pattern}: no such file or folder, and nothing matches")
            found += [(m, Path(m).name) for m in matches if _is_one_input(Path(m))]
    return list(_each_once(found))


def _each_once(found: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Of files that are one image together, that which is read: the first, or what names them."""
    part_of: dict[Path, str] = {}
    for source, _ in found:
        path = locate(source).path
        if path in part_of:
            continue
        parts = files_of(source)
        if len(parts) > 1:
            part_of |= dict.fromkeys(parts, source)
    for source, name in found:
        if part_of.get(locate(source).path, source) == source:
            yield source, name


def _foreign_images(folder: Path) -> list[Path]:
    images = list(images_below(folder))
    own = {path for path in images if path.name in files_made_in(path.parent)}
    foreign = [path for path in images if path not in own]
    by_name = "to read them, name them or give a glob"
    if not foreign:
        results = f" but {len(own)} result(s) of pyengine; {by_name}" if own else ""
        raise FileNotFoundError(f"{folder}: no image in this folder{results}")
    if own:
        print(
            f"pyengine: {folder}: {len(own)} result(s) of pyengine left out; {by_name}",
            file=sys.stderr,
        )
    return foreign


def _is_one_input(path: Path) -> bool:
    # A file of an unknown format is one, too: it is refused by name.
    return path.is_file() or find_format(path) is not None
