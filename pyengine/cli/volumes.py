"""The verb segment for engines that take volumes: cases in, in nnU-Net's names, labels out."""

from __future__ import annotations

import argparse
import glob
import hashlib
import sys
from pathlib import Path
from typing import Any

from pyengine.arguments import SegmentKeywords
from pyengine.cli.options import tile_options
from pyengine.distinct_files import check_distinct
from pyengine.engine import Engine
from pyengine.formats.registry import find_format
from pyengine.made_files import files_made_in, is_made, note_begin, note_made
from pyengine.volumes.case import (
    case_name,
    channel_files,
    channel_of,
    check_case_target,
    split_suffix,
)
from pyengine.volumes.nifti import is_nifti


def cases(patterns: list[str]) -> list[Path]:
    """The file of the first channel of every case in files, folders and globs."""
    if not patterns:
        raise ValueError("no input; give files, folders or globs")
    found: list[Path] = []
    for pattern in patterns:
        path = Path(pattern)
        if path.is_dir():
            own = files_made_in(path)
            inside = [p for p in sorted(path.iterdir()) if _is_volume(p) and p.name not in own]
            if not inside:
                raise FileNotFoundError(f"{path}: no volume in this folder")
            found += _first_channels(inside)
        elif path.is_file():
            found.append(path)
        else:
            inside = [
                p for p in map(Path, sorted(glob.glob(pattern, recursive=True))) if p.is_file()
            ]
            if not inside:
                raise FileNotFoundError(f"{pattern}: no such file or folder, and nothing matches")
            found += _first_channels(inside)
    return found


def _first_channels(paths: list[Path]) -> list[Path]:
    return [path for path in paths if not channel_of(path)]


def _is_volume(path: Path) -> bool:
    hidden = path.name.startswith(".")
    return not hidden and path.is_file() and (is_nifti(path) or find_format(path) is not None)


def volume_options(args: argparse.Namespace) -> SegmentKeywords:
    """The options that were given; of the others the engine knows what its network expects."""
    options: SegmentKeywords = tile_options(args)
    if args.mode is None:
        del options["mode"]
    if args.tta is not None:
        options["tta"] = args.tta
    return options


def run_volumes(args: argparse.Namespace, engine: Engine, output: str) -> tuple[int, int, int]:
    """Segment all cases.

    Returns
    -------
    (int, int, int)
        How many were segmented, were there already, and failed.
    """
    if args.overlay or args.result is not None or args.output_kind != "labels":
        raise ValueError(
            "of volumes, labels alone are written: no --overlay, --result, --output-kind"
        )
    options = volume_options(args)
    channels = int(engine.info.input["channels"])
    jobs = _jobs(cases(args.input + args.more_inputs), output, args.format)
    files = {path: channel_files(path, channels) for path, _ in jobs}
    read = [Path(engine.info.path), *(file for some in files.values() for file in some)]
    check_distinct(read, [(target, str(path)) for path, target in jobs])
    for path, target in jobs:
        check_case_target(target, is_nifti(path))
    made = _made_by(engine, options)
    quiet = not sys.stderr.isatty()
    from tqdm import tqdm

    counts = {"made": 0, "skipped": 0, "failed": 0}
    for path, target in tqdm(jobs, unit="case", disable=quiet or len(jobs) == 1):
        noted = {**made, "source": [_state(file) for file in files[path]]}
        if args.resume and target.exists() and is_made(target, target.name, noted):
            counts["skipped"] += 1
            continue
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            note_begin(target, target.name, replaces=True)
            engine.segment_file(path, target, progress=not quiet and len(jobs) == 1, **options)
            note_made(target, target.name, noted)
            counts["made"] += 1
        except (ValueError, TypeError, OSError, MemoryError) as error:
            # One bad case must not cost the rest of a batch.
            if len(jobs) == 1:
                raise
            counts["failed"] += 1
            words = " ".join(str(error).split())
            where = "" if words.startswith(str(path.parent)) else f"{path}: "
            print(f"pyengine: {where}{words}", file=sys.stderr)
    return counts["made"], counts["skipped"], counts["failed"]


def _jobs(paths: list[Path], output: str, suffix: str | None) -> list[tuple[Path, Path]]:
    """(first channel, target) of each case; `output` is a file for one case, else a folder."""
    out = Path(output)
    if len(paths) == 1 and split_suffix(out)[1] and not out.is_dir():
        return [(paths[0], out)]
    if out.exists() and not out.is_dir():
        raise ValueError(f"--output {output} is a file; for {len(paths)} case(s) name a folder")

    def named(path: Path) -> str:
        own = split_suffix(path)[1]
        return case_name(path) + (f".{suffix}" if suffix else own)

    return [(path, out / named(path)) for path in paths]


def _made_by(engine: Engine, options: SegmentKeywords) -> dict[str, Any]:
    """What results follow from, besides the volume."""
    content = Path(engine.info.path).read_bytes()
    kept = ("mode", "tta", "overlap", "tile")
    return {
        "engine": hashlib.sha256(content).hexdigest(), "executor": engine.info.executor,
        "output": "labels", **{key: value for key, value in options.items() if key in kept},
    }  # fmt: skip


def _state(path: Path) -> list[Any]:
    status = path.stat()
    return [path.name, status.st_size, status.st_mtime_ns]
