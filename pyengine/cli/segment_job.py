"""One image of a batch: its result, its overlay, and what is noted of them."""

from __future__ import annotations

import argparse
import hashlib
import warnings
from pathlib import Path
from typing import Any

from pyengine.arguments import SegmentKeywords
from pyengine.cli.options import input_range, read_options
from pyengine.engine import Engine
from pyengine.formats.registry import files_of, locate, locate_result, read_image, replace_suffix
from pyengine.formats.remote import url_of
from pyengine.input_range import InputRangeWarning
from pyengine.made_files import is_made, note_begin, note_made
from pyengine.overlay import overlay, save_image
from pyengine.segment_file import is_done, replaced_files

# Pixels of an overlay, which people look at.
MAX_SHOWN = 1 << 26
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
    """One image: its result, its overlay, and the notes of what they were made from."""

    def __init__(
        self, path: str, target: str, args: argparse.Namespace, made_by: dict[str, Any]
    ) -> None:
        self.path, self.target, self.kind = path, target, args.output_kind
        self.how = read_options(args)
        self.values: dict[str, Any] = {
            "threshold": args.threshold, "input_range": input_range(args.input_range)
        }  # fmt: skip
        self.output = args.result or args.output_kind
        self.result = locate_result(target, self.kind)
        self.overlay = overlay_path(target) if args.overlay else None
        self.made = {**made_by, "source": _state(path, self.result.path)}
        self.has_result = (
            args.resume
            and is_done(target, self.kind)
            and is_made(self.result.path, self._name, self.made)
        )
        self.is_done = self.has_result and (
            self.overlay is None
            or (self.overlay.exists() and is_made(self.overlay, self.overlay.name, self.made))
        )

    @property
    def _name(self) -> str:
        name = self.result.name
        return self.result.path.name + (f":/{name}" if name is not None else "")

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
            note_made(path, self._name, self.made)
        if self.overlay is not None:
            note_begin(self.overlay, self.overlay.name, replaces=True)
            self._write_overlay(engine, self.overlay, options)
            note_made(self.overlay, self.overlay.name, self.made)

    def _write_overlay(self, engine: Engine, path: Path, options: SegmentKeywords) -> None:
        channels = engine.info.input["channels"]
        # Of slides every n-th pixel is shown; labels are computed of whole images.
        shown = MAX_SHOWN if self.kind == "labels" else None
        image = read_image(self.path, channels, max_shown=shown, **self.how)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InputRangeWarning)  # it was said of the result
            labels = (
                read_image(str(self.result), 1, indices=True, max_shown=shown)
                if self.kind == "labels"
                else engine.segment(image, **self.values, **options)
            )
        save_image(path, overlay(image, labels, engine.info.colors))


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


def overlay_path(target: str) -> Path:
    return replace_suffix(locate(target).path, ".overlay.png")
