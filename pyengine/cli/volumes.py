"""The verb segment for engines that take volumes: cases in, in nnU-Net's names, labels out."""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path
from typing import Any

from pyengine.arguments import SegmentKeywords
from pyengine.cli.measure_options import flags_given
from pyengine.cli.options import expand, read_options, tile_options
from pyengine.distinct_files import check_distinct
from pyengine.engine import Engine
from pyengine.formats.registry import files_of, locate, locate_result, suffix_like
from pyengine.made_files import is_made, note_begin, note_made
from pyengine.segment_file import check_target, is_done, replaced_files
from pyengine.volumes.case import case_name, channel_files, channel_of


def cases(patterns: list[str]) -> list[tuple[str, Path]]:
    """(first channel, its name relative to its folder) of every case in files, folders and globs."""
    if not patterns:
        raise ValueError("no input; give files, folders or globs")
    found: list[tuple[str, Path]] = []
    for pattern in patterns:
        named = locate(pattern).path.is_file()
        images = [(source, Path(name)) for source, name in expand([pattern])]
        # Who names a file is told if it is none of a first channel.
        found += [image for image in images if named or not channel_of(image[1])]
    if not found:
        raise FileNotFoundError(f"{', '.join(patterns)}: no file of a first channel, CASE_0000")
    return found


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
    besides = flags_given(args)
    if besides or args.result is not None or args.output_kind != "labels":
        raise ValueError(
            "of volumes, labels alone are written: no --overlay, --result, --output-kind"
            + (f", {', '.join(besides)}; measure them by pyengine.measure" if besides else "")
        )
    options = volume_options(args)
    channels = int(engine.info.input["channels"])
    jobs = _jobs(cases(args.input + args.more_inputs), output, args.format)
    files = {source: channel_files(locate(source).path, channels) for source, _ in jobs}
    read = [part for some in files.values() for file in some for part in files_of(str(file))]
    written = [file for source, target in jobs for file in replaced_files(source, target)]
    check_distinct([Path(engine.info.path), *read], written)
    for _, target in jobs:
        if not (args.resume and is_done(target, "labels")):
            check_target(target, "labels")
    made = _made_by(engine, options)
    quiet = not sys.stderr.isatty()
    from tqdm import tqdm

    counts = {"made": 0, "skipped": 0, "failed": 0}
    for source, target in tqdm(jobs, unit="case", disable=quiet or len(jobs) == 1):
        path = locate_result(target, "labels").path
        noted = {**made, "source": [_state(file) for file in files[source]]}
        if args.resume and is_done(target, "labels") and is_made(path, path.name, noted):
            counts["skipped"] += 1
            continue
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            note_begin(path, path.name, bool(replaced_files(source, target)))
            told = not quiet and len(jobs) == 1
            engine.segment_file(source, target, progress=told, **read_options(args), **options)
            note_made(path, path.name, noted)
            counts["made"] += 1
        except (ValueError, TypeError, OSError, MemoryError) as error:
            # One bad case must not cost the rest of a batch.
            if len(jobs) == 1:
                raise
            counts["failed"] += 1
            words = " ".join(str(error).split())
            where = "" if words.startswith(str(Path(source).parent)) else f"{source}: "
            print(f"pyengine: {where}{words}", file=sys.stderr)
    return counts["made"], counts["skipped"], counts["failed"]


def _jobs(found: list[tuple[str, Path]], output: str, suffix: str | None) -> list[tuple[str, str]]:
    """(first channel, target) of each case; `output` is a file for one case, else a folder."""
    out = locate(output).path
    if len(found) == 1 and out.suffix and not out.is_dir():
        return [(found[0][0], output)]
    if out.exists() and not out.is_dir():
        raise ValueError(f"--output {output} is a file; for {len(found)} case(s) name a folder")

    def named(name: Path) -> str:
        own = f".{suffix}" if suffix else suffix_like(name, "labels")
        return str(out / name.with_name(case_name(name) + own))

    return [(source, named(name)) for source, name in found]


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
