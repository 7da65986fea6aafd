"""One image of a batch: its result, what is written beside it, and what is noted of them."""

from __future__ import annotations

import argparse
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyengine.arguments import SegmentKeywords
from pyengine.cli.companions import Companion, Segmented
from pyengine.cli.options import input_range, read_options
from pyengine.cli.where import mask
from pyengine.engine import Engine
from pyengine.formats.format import Location, ReadKeywords
from pyengine.formats.registry import files_of, locate, locate_result
from pyengine.formats.remote import url_of
from pyengine.made_files import is_made, is_made_since, note_begin, note_made
from pyengine.measurements.labelled_file import LabelledFile
from pyengine.measurements.spacing import parse_spacing
from pyengine.segment_file import FileWork, is_done, replaced_files

# Options of reading and of labels that change results; noted where they are given.
_CHANGES = ("axes", "level", "threshold", "input_range", "region", "mask", "tissue")


def made_by(engine: Engine, args: argparse.Namespace) -> dict[str, Any]:
    """What results follow from, besides the image: exact tiles, threads and memory change no bit."""
    content = Path(engine.info.path).read_bytes()
    windows = {"mode": args.mode, "overlap": args.overlap, "tile": args.tile}
    return {
        **(windows if args.mode != "exact" else {}),
        **({"result": args.result} if args.result else {}),
        **{k: v for k in _CHANGES if (v := getattr(args, k))},
        "engine": hashlib.sha256(content).hexdigest(), "executor": engine.info.executor,
        "output": args.output_kind, "tta": args.tta, "accuracy": args.accuracy,
    }  # fmt: skip


@dataclass
class Batch:
    """What the images of a command share.

    Attributes
    ----------
    args : argparse.Namespace
    engine : Engine
    options : SegmentKeywords
    companions : sequence of Companion
    progress : bool
        Whether each image shows its own.
    """

    args: argparse.Namespace
    engine: Engine
    options: SegmentKeywords
    companions: Sequence[Companion] = ()
    progress: bool = False
    made_by: dict[str, Any] = field(init=False)
    how: ReadKeywords = field(init=False)
    values: dict[str, Any] = field(init=False)
    pixels: list[int] = field(default_factory=lambda: [0, 0, 0])
    """Computed, copied, left out."""

    def __post_init__(self) -> None:
        self.made_by = made_by(self.engine, self.args)
        self.how = read_options(self.args)
        self.values = {
            "threshold": self.args.threshold,
            "input_range": input_range(self.args.input_range),
            "mask": mask(self.args),
        }

    def count(self, *pixels: int) -> None:
        """What became of an image's pixels; see `Engine.segment`."""
        self.pixels = [all_of + of_one for all_of, of_one in zip(self.pixels, pixels, strict=True)]


class Job:
    """One image: its result, its companions, and the notes of what they were made from.

    A `Work` of `pipeline`.

    Parameters
    ----------
    path, target : str
    batch : Batch
    since : int
        Notes behind it tell what others made meanwhile; see `end_of_notes`.
    """

    def __init__(self, path: str, target: str, batch: Batch, since: int = 0) -> None:
        args = batch.args
        self.path, self.target, self.batch, self.kind = path, target, batch, args.output_kind
        self.how = batch.how
        self.result = locate_result(target, self.kind)
        self.name = result_name(self.result)
        self.spacing = parse_spacing(args.spacing) if args.spacing else None
        self.made = {**batch.made_by, "source": _state(path, self.result.path)}
        self._since = since
        self._work: FileWork | None = None
        self.has_result = is_done(target, self.kind) and self._is_made(
            self.result.path, self.name, self.made
        )
        self.lacking = [
            (companion, file)
            for companion, file in ((one, one.path(target)) for one in batch.companions)
            if not (
                self.has_result
                and file.exists()
                and self._is_made(file, file.name, self._of(companion))
            )
        ]
        self.is_done = self.has_result and not self.lacking
        # What computes, too, does so where the network runs.
        self._writes_behind = self.kind == "labels" and not any(
            companion.computes for companion, _ in self.lacking
        )

    def _is_made(self, path: Path, name: str, made: Mapping[str, Any]) -> bool:
        if url_of(path) is not None:
            return bool(self.batch.args.resume) and is_made(path, name, made)
        if self.batch.args.resume and is_made(path, name, made):
            return True
        return is_made_since(self._since, path, name, made)

    def _of(self, companion: Companion) -> Mapping[str, Any]:
        return {**self.made, **({"as": companion.made} if companion.made else {})}

    def file(self, engine: Engine) -> LabelledFile:
        """The image and its labels."""
        info = engine.info
        return LabelledFile(
            self.path, str(self.result), info.input["channels"], info.classes, info.colors,
            self.spacing, self.how,
        )  # fmt: skip

    def read(self) -> None:
        """Open the image, and read it where it is small."""
        if self.has_result:
            return
        batch = self.batch
        work = batch.engine._file_work(
            self.path, self.target, batch.how, output=batch.args.result or self.kind,
            options=batch.options, progress=batch.progress, report=batch.count, ahead=True,
            **batch.values,
        )  # fmt: skip
        work.read()
        self._work = work

    def compute(self) -> None:
        """Segment it."""
        if self._work is not None:
            replaces = bool(replaced_files(self.path, self.target))
            note_begin(self.result.path, self.name, replaces)
            self._work.compute()
        if not self._writes_behind:
            self._write()

    def write(self) -> None:
        """Write what is not there."""
        if self._writes_behind:
            self._write()

    def close(self) -> None:
        """Release the image of a job that is given up."""
        if self._work is not None:
            self._work.close()

    def _write(self) -> None:
        batch = self.batch
        if self._work is not None:
            self._work.write()
            note_made(self.result.path, self.name, self.made, self._about(batch.engine))
            self._work = None
        segmented = Segmented(
            self.path, self.file(batch.engine), self.kind == "labels", batch.engine, batch.options,
            batch.values,
        )  # fmt: skip
        for companion, file in self.lacking:
            file.parent.mkdir(exist_ok=True)
            note_begin(file, file.name, replaces=True)
            companion.write(file, segmented)
            note_made(file, file.name, self._of(companion))

    def _about(self, engine: Engine) -> dict[str, Any]:
        """What a report says of a result, and where it finds the image."""
        info, spacing = engine.info, self.spacing
        location = locate(self.path)
        source = os.path.abspath(location.path)
        return {
            "source": source,
            "relative": os.path.relpath(source, os.path.abspath(self.result.path.parent)),
            "name": location.name, "result": self.result.name, "kind": self.kind,
            "engine": Path(info.path).stem, "channels": info.input["channels"],
            "axes": self.how["axes"], "level": self.how["level"], "classes": info.classes, "colors": info.colors,
            "spacing_mm": spacing and (spacing.depth, spacing.height, spacing.width),
        }  # fmt: skip


def result_name(result: Location) -> str:
    """Of a result, in its folder."""
    return result.path.name + (f":/{result.name}" if result.name is not None else "")


def _state(source: str, result: Path) -> dict[str, Any]:
    """What tells whether an image is the one that a result was made from."""
    location = locate(source)
    path = location.path
    state: dict[str, Any] = {"image": [path.name, location.name]}
    if path.resolve() != result.resolve():  # else the result itself changes the file
        files = [file.stat() for file in files_of(source) if url_of(file) is None]
        state |= {
            "size": sum(status.st_size for status in files),
            "time_ns": max((status.st_mtime_ns for status in files), default=0),
        }
        if len(files) > 1:
            state["files"] = len(files)
    return state
