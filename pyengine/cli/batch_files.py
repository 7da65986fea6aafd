"""What is written of all images of a call together: tables, and a montage."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pyengine.made_files import note_begin
from pyengine.measurements.labelled_file import LabelledFile
from pyengine.measurements.montage import montage
from pyengine.measurements.table import Table, save_tables, unpacked
from pyengine.measurements.thumbnail import pictures
from pyengine.overlay import save_image

_SIDE_PX = 200
# The first has the name that was asked for, of the others only those that have rows are written.
_TABLES = ("classes", "objects", "volumes", "ascans", "etdrs")


def table_paths(path: Path) -> dict[str, Path]:
    """Where the tables of `--measure FILE` go."""
    first, *others = _TABLES
    return {first: path} | {name: path.with_suffix(f".{name}{path.suffix}") for name in others}


def write_tables(path: Path, records: Sequence[Path]) -> list[Path]:
    """Make one table of each kind from the records of images, one of them in memory at a time.

    Returns
    -------
    list of Path
        What was written.
    """
    written = []
    path.parent.mkdir(parents=True, exist_ok=True)
    for name, file in table_paths(path).items():
        if name in ("classes", "objects") or any(len(t) for t in _read(records, name)):
            save_tables(file, _read(records, name))
            written.append(file)
    return written


def _read(records: Iterable[Path], name: str) -> Iterator[Table]:
    for path in records:
        record = json.loads(path.read_text(encoding="utf-8"))
        if name in record["tables"]:
            yield unpacked(record["tables"][name]).with_first("image", record["image"])


def write_montage(path: Path, files: Sequence[LabelledFile]) -> None:
    """Write a picture of all images; of stacks the middle page."""
    named = []
    for file in files:
        with file.open_labels() as reader:
            pages = reader.pages
        named.append(
            (Path(file.source or file.labels).name, pictures(file, pages // 2, _SIDE_PX)[1])
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    note_begin(path, path.name, replaces=True)  # so that it is never taken for an image
    save_image(path, montage(named, _SIDE_PX))
