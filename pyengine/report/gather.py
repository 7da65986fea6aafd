"""What a folder holds: results as they were noted, their images, and what is measured of them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyengine.formats.format import Location
from pyengine.made_files import results_in
from pyengine.measurements.labelled_file import LabelledFile, measure_file
from pyengine.measurements.records import record_path
from pyengine.measurements.spacing import Spacing
from pyengine.measurements.table import Table, unpacked


@dataclass(frozen=True)
class Found:
    """A result in the folder.

    Attributes
    ----------
    name : str
        Relative to the folder.
    file : LabelledFile
    engine : str
        What made it.
    """

    name: str
    file: LabelledFile
    engine: str


def find_results(folder: Path, images: Path | None) -> list[Found]:
    """All labels that were noted in a folder and its folders, sorted by name.

    Parameters
    ----------
    folder : Path
    images : Path or None
        Where images lie that are no longer where they were.

    Raises
    ------
    FileNotFoundError
        No folder, or no labels in it.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder")
    found = [
        _found(folder, here, name, about, images)
        for here in _folders(folder)
        for name, about in results_in(here).items()
        if about.get("kind") == "labels" and (here / name.partition(":/")[0]).exists()
    ]
    if not found:
        raise FileNotFoundError(
            f"{folder}: no labels that `pyengine segment` made in this folder; reports are made of "
            "its output folders"
        )
    return sorted(found, key=lambda one: one.name)


def _folders(folder: Path) -> Iterator[Path]:
    for here, inner, _ in os.walk(folder):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        yield Path(here)


def _found(
    folder: Path, here: Path, name: str, about: Mapping[str, Any], images: Path | None
) -> Found:
    labels = here / name.partition(":/")[0]
    spacing = about.get("spacing_mm")
    return Found(
        str(labels.relative_to(folder)) + name[len(labels.name) :],
        LabelledFile(
            _source(
                here, about, [] if images is None else [images / here.relative_to(folder), images]
            ),
            str(Location(labels, about.get("result"))),
            int(about["channels"]),
            tuple(about["classes"]),
            tuple((r, g, b) for r, g, b in about["colors"]),
            Spacing(spacing[1], spacing[2], spacing[0]) if spacing else None,
            {"axes": about.get("axes"), "level": about.get("level") or 0},
        ),
        str(about.get("engine", "")),
    )


def _source(here: Path, about: Mapping[str, Any], folders: list[Path]) -> str | None:
    """The image: in one of the folders, where it lay beside the results, or where it lay at all."""
    places = [folder / Path(about["source"]).name for folder in folders]
    places += [here / about["relative"], Path(about["source"])]
    there = next((place for place in places if place.exists()), None)
    return None if there is None else str(Location(there, about.get("name")))


def tables_of(found: Found) -> dict[str, Table]:
    """What `segment --measure` recorded of a result, else what is measured now."""
    labels = Path(found.file.labels.partition(":/")[0])
    record = record_path(labels)
    try:
        if record.stat().st_mtime_ns >= labels.stat().st_mtime_ns:
            tables = json.loads(record.read_text(encoding="utf-8"))["tables"]
            return {name: unpacked(packed) for name, packed in tables.items()}
    except (OSError, ValueError, KeyError):  # none, or not one that can be read
        pass
    measured = measure_file(found.file)
    return {
        "classes": measured.classes, "objects": measured.objects, "volumes": measured.volumes
    }  # fmt: skip
