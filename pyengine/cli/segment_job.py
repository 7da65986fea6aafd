"""One image of a batch: its result, what is written beside it, and what is noted of them."""

from __future__ import annotations

import argparse
import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pyengine.arguments import SegmentKeywords
from pyengine.cli.companions import Companion, Segmented
from pyengine.cli.options import input_range, read_options
from pyengine.engine import Engine
from pyengine.formats.registry import files_of, locate, locate_result
from pyengine.formats.remote import url_of
from pyengine.made_files import is_made, note_begin, note_made
from pyengine.measurements.labelled_file import LabelledFile
from pyengine.measurements.spacing import parse_spacing
from pyengine.segment_file import is_done, replaced_files

# Options of reading and of labels that change results; noted where they are given.
_CHANGES = ("axes", "level", "threshold", "input_range")


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


class Job:
    """One image: its result, its companions, and the notes of what they were made from."""

    def __init__(
        self,
        path: str,
        target: str,
        args: argparse.Namespace,
        made_by: dict[str, Any],
        companions: Sequence[Companion],
    ) -> None:
        self.path, self.target, self.kind = path, target, args.output_kind
        self.how = read_options(args)
        self.values: dict[str, Any] = {
            "threshold": args.threshold, "input_range": input_range(args.input_range)
        }  # fmt: skip
        self.output = args.result or args.output_kind
        self.result = locate_result(target, self.kind)
        self.spacing = parse_spacing(args.spacing) if args.spacing else None
        self.made = {**made_by, "source": _state(path, self.result.path)}
        self.has_result = (
            args.resume
            and is_done(target, self.kind)
            and is_made(self.result.path, self._name, self.made)
        )
        self.lacking = [
            (companion, file)
            for companion, file in ((one, one.path(target)) for one in companions)
            if not (
                self.has_result and file.exists() and is_made(file, file.name, self._of(companion))
            )
        ]
        self.is_done = self.has_result and not self.lacking

    @property
    def _name(self) -> str:
        name = self.result.name
        return self.result.path.name + (f":/{name}" if name is not None else "")

    def _of(self, companion: Companion) -> Mapping[str, Any]:
        return {**self.made, **({"as": companion.made} if companion.made else {})}

    def file(self, engine: Engine) -> LabelledFile:
        """The image and its labels."""
        info = engine.info
        return LabelledFile(
            self.path, str(self.result), info.input["channels"], info.classes, info.colors,
            self.spacing, self.how,
        )  # fmt: skip

    def run(self, engine: Engine, options: SegmentKeywords, progress: bool) -> None:
        """Make what is not there."""
        path = self.result.path
        if url_of(path) is None:
            path.parent.mkdir(parents=True, exist_ok=True)
        if not self.has_result:
            note_begin(path, self._name, bool(replaced_files(self.path, self.target)))
            engine.segment_file(
                self.path,
                self.target,
                output=self.output,
                progress=progress,
                **self.how,
                **self.values,
                **options,
            )
            note_made(path, self._name, self.made, self._about(engine))
        segmented = Segmented(
            self.path, self.file(engine), self.kind == "labels", engine, options, self.values
        )
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
