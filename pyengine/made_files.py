"""What this program has written into a folder, and what from: a hidden file of notes in it."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyengine.formats.remote import url_of

NOTES = ".pyengine-made.jsonl"


def note_begin(target: Path, name: str, replaces: bool) -> None:
    """Note, before it is written, that a file will be this program's.

    Parameters
    ----------
    target : Path
        The file; what was noted of its making is no longer true.
    name : str
        Of the result: that of the file, and in files with named images that, too.
    replaces : bool
        Whether the whole file is this program's; else something is added to another's.
    """
    _append(target, {"name": name, "file": target.name if replaces else None, "made": None})


def note_made(
    target: Path, name: str, made: Mapping[str, Any], about: Mapping[str, Any] | None = None
) -> None:
    """Note, after it was written, what a result was made from; see `note_begin`.

    `about` is what a report needs besides, such as where the image lay.
    """
    _append(target, {"name": name, "file": None, "made": made, "about": about})


def is_made(target: Path, name: str, made: Mapping[str, Any]) -> bool:
    """Whether the last note of a result says that it was made so."""
    return bool(_notes(target.parent).made.get(name) == json.loads(json.dumps(made)))


def results_in(folder: Path) -> dict[str, Mapping[str, Any]]:
    """Name of each finished result in a folder, and what `note_made` was told about it."""
    return dict(_notes(folder).about)


def end_of_notes(folder: Path) -> int:
    """Where later notes of a folder will begin; for `is_made_since`."""
    try:
        return (folder / NOTES).stat().st_size
    except OSError:
        return 0


def is_made_since(end: int, target: Path, name: str, made: Mapping[str, Any]) -> bool:
    """Whether the last note of a result, of those behind `end`, says that it was made so."""
    try:
        with (target.parent / NOTES).open("rb") as file:
            file.seek(end)
            later = file.read()
    except OSError:
        return False
    if json.dumps(name).encode() not in later:
        return False
    last = [note["made"] for note in _lines(later) if note["name"] == name]
    return bool(last and last[-1] == json.loads(json.dumps(made)))


def files_made_in(folder: Path) -> frozenset[str]:
    """Names of files in a folder that are this program's."""
    return _notes(folder).files


def _append(target: Path, note: Mapping[str, Any]) -> None:
    if url_of(target) is not None:  # nothing is noted there
        return
    # One write at the end of the file, so that processes which share a folder mix no lines. A
    # line that was cut by a full disk ends here.
    line = b"\n" + json.dumps(note).encode()
    handle = os.open(target.parent / NOTES, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    try:
        os.write(handle, line)
    finally:
        os.close(handle)


@dataclass(frozen=True)
class _Notes:
    made: Mapping[str, Any] = field(default_factory=dict)
    files: frozenset[str] = frozenset()
    about: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def _notes(folder: Path) -> _Notes:
    path = folder / NOTES
    try:
        status = path.stat()
    except OSError:  # none, or out of reach
        return _Notes()
    return _read(path, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=8)
def _read(path: Path, size: int, time_ns: int) -> _Notes:
    notes = list(_lines(path.read_bytes()))
    last = {note["name"]: note for note in notes}  # the last note of a name counts
    return _Notes(
        {name: note["made"] for name, note in last.items()},
        frozenset(note["file"] for note in notes if note["file"] is not None),
        {name: note["about"] for name, note in last.items() if note.get("about")},
    )


def _lines(content: bytes) -> Iterator[dict[str, Any]]:
    for line in content.splitlines():
        try:
            note = json.loads(line)
        except ValueError:  # a line that was cut
            continue
        if isinstance(note, dict) and note.keys() >= {"name", "file", "made"}:
            yield note
