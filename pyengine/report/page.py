"""Fills the page's template with what a folder holds."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pyengine.atomic_file import refuse_what_is_no_file, write_atomically
from pyengine.distinct_files import check_distinct
from pyengine.html import in_words
from pyengine.measurements.oct_file import OctMaps, oct_maps
from pyengine.measurements.table import Table
from pyengine.measurements.thumbnail import pictures
from pyengine.report import plots
from pyengine.report.gather import Found, find_results, tables_of

_SHOWN_PX = 640
_LEAST_VALUES = 3  # fewer say more as numbers
_ERRORS = (ValueError, TypeError, OSError, MemoryError)


@dataclass(frozen=True)
class ReportOptions:
    """What the page shows.

    Attributes
    ----------
    images : Path or None
        Where images lie that were moved since.
    most : int
        So many results have pictures; all are in the table.
    oct : bool
        Results are OCT B-scans: maps of their thickness are shown.
    laterality : {"OD", "OS"} or None
    """

    images: Path | None = None
    most: int = 100
    oct: bool = False
    laterality: str | None = None


def write_report(
    folder: Path,
    target: Path | None = None,
    options: ReportOptions | None = None,
    progress: Callable[[Sequence[Found]], Any] = iter,
) -> tuple[Path, list[str]]:
    """Write a page about the results of `pyengine segment` in a folder.

    Parameters
    ----------
    folder : Path
        With the folders in it.
    target : Path, optional
        Default: ``report.html`` in the folder.
    options : ReportOptions, optional
    progress : callable
        Iterates over the results, and may show how far it is.

    Returns
    -------
    (Path, list of str)
        The page, and a line for each result that could not be shown.

    Raises
    ------
    FileNotFoundError
        The folder holds no results.
    ImportError
        ``jinja2`` is missing; ``pip install "pyengine[report]"``.
    """
    template = _template()
    chosen = options or ReportOptions()
    found = find_results(folder, chosen.images)
    target = target or folder / "report.html"
    read = [Path(place.partition(":/")[0]) for one in found for place in _places(one)]
    check_distinct(read, [(target, "the report")])
    refuse_what_is_no_file(target)
    cases: list[dict[str, Any]] = []
    failed: list[str] = []
    for one in progress(found):
        try:
            cases.append(_case(one, chosen, len(cases) < chosen.most))
        except _ERRORS as error:
            failed.append(f"{one.name}: {' '.join(str(error).split())}")
    page = template.render(
        folder=folder.resolve().name,
        cases=cases,
        failed=failed,
        key=_key(cases),
        legend=_legend(cases),
        plots=_plots(cases),
        columns=_columns(cases),
        engines=sorted({case["engine"] for case in cases}),
        date=datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M"),
        words=in_words,
    )
    write_atomically(target, lambda path: path.write_text(page, encoding="utf-8", errors="replace"))
    return target, failed


def _template() -> Any:
    try:
        from jinja2 import Environment, FileSystemLoader
    except ImportError as error:
        raise ImportError(
            f'the page is filled by jinja2: pip install "pyengine[report]" ({error})'
        ) from error
    folder = FileSystemLoader(Path(__file__).parent)
    return Environment(
        loader=folder, autoescape=True, trim_blocks=True, lstrip_blocks=True
    ).get_template("page.html")


def _places(found: Found) -> list[str]:
    return [found.file.labels, *([found.file.source] if found.file.source else [])]


def _case(found: Found, options: ReportOptions, with_pictures: bool) -> dict[str, Any]:
    """One result: numbers, and if asked pictures."""
    tables = tables_of(found)
    with found.file.open_labels() as labels:
        height, width, pages = *labels.shape[:2], labels.pages
    case: dict[str, Any] = {
        "name": found.name, "engine": found.engine, "size": f"{height:,} x {width:,} px",
        "pages": pages, "pixels": height * width * pages, "has_image": found.file.source is not None,
        "classes": _classes(found, tables), "areas": _areas(tables["objects"]),
    }  # fmt: skip
    if with_pictures:
        plain, overlaid = pictures(found.file, pages // 2, _SHOWN_PX)
        case |= {"image": plots.data_address(plain), "overlay": plots.data_address(overlaid)}
        if options.oct or "etdrs" in tables:
            case["maps"] = _maps(found, tables, options)
    return case


def _classes(found: Found, tables: dict[str, Table]) -> list[dict[str, Any]]:
    """Of each class what all pages hold."""
    table, objects = tables["classes"], tables["objects"]
    counted = tables["volumes"] if len(tables["volumes"]) else table
    told_apart = {row["class"] for row in counted.rows() if row["objects"] is not None}
    total = int(table["area_px"].sum())
    rows = []
    for k, (name, color) in enumerate(zip(found.file.names, found.file.colors, strict=True)):
        own = table["class"] == k
        area = int(table["area_px"][own].sum())
        square = float(table["area_mm2"][own].sum())
        rows.append({
            "name": name, "color": "#{:02x}{:02x}{:02x}".format(*color), "area_px": area,
            "area_mm2": None if math.isnan(square) else square, "fraction": area / total,
            "objects": int((objects["class"] == k).sum()) if k in told_apart else None,
            "shown": k > 0 or k in told_apart,
        })  # fmt: skip
    return rows


def _areas(objects: Table) -> list[tuple[int, float]]:
    """(class, size in pixels) of each object."""
    sizes = objects["area_px"] if "area_px" in objects.columns else objects["voxels"]
    return list(zip(objects["class"].tolist(), sizes.tolist(), strict=True))


def _maps(found: Found, tables: dict[str, Table], options: ReportOptions) -> dict[str, Any] | None:
    """Maps of a volume from above; None for single B-scans."""
    maps = oct_maps(found.file)
    if len(maps.en_face) < 2:
        return None
    fields = tables.get("etdrs")
    if fields is None or options.laterality or not len(fields):
        fields = maps.fields(options.laterality)
    spacing = maps.spacing
    rows, columns = maps.en_face.shape
    known, ratio = False, columns / rows
    if spacing is not None and spacing.depth is not None:
        known, ratio = True, (columns * spacing.width) / (rows * spacing.depth)
    seen = maps.en_face[::-1]  # as the grid: the last B-scan, taken as the highest, is up
    if not np.isnan(seen).all():
        low, high = np.nanpercentile(seen, (1, 99))
        seen = np.clip((seen - low) / (high - low if high > low else 1) * 255, 0, 255)
    return {
        "ratio": min(max(ratio, 0.5), 2.5),
        "exact": known and 0.5 <= ratio <= 2.5,
        "en_face": plots.data_address(
            np.repeat(np.nan_to_num(seen, nan=128).astype(np.uint8)[..., None], 3, 2), True
        ),
        "classes": [_class_map(maps, k, fields) for k in range(len(maps.names))],
        "unit": maps.unit.replace("um", "µm"),
    }  # fmt: skip


def _class_map(maps: OctMaps, k: int, fields: Table) -> dict[str, Any]:
    values = maps.thickness[k]
    high = float(np.ceil(values.max())) or 1.0
    own = [row for row in fields.rows() if row["class"] == k + 1]
    means = [math.nan if row["mean_um"] is None else row["mean_um"] for row in own]
    return {
        "name": maps.names[k],
        "map": plots.data_address(plots.colored(values[::-1], 0, high), True),
        "high": high,
        "mean": float(values.mean()),
        "fields": own,
        "grid": plots.grid(means, [row["field"] for row in own]) if own else None,
    }


def _key(cases: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """The numbers that stand first."""
    pixels = sum(case["pixels"] for case in cases)
    objects = sum(len(case["areas"]) for case in cases)
    pages = sum(case["pages"] for case in cases)
    return [
        (f"{len(cases):,}", "image" if len(cases) == 1 else "images"),
        *([(f"{pages:,}", "pages in them")] if pages > len(cases) else []),
        (f"{pixels / 1e6:,.3g}", "megapixels"),
        (f"{objects:,}", "object" if objects == 1 else "objects"),
    ]


def _legend(cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each class with its mean share over the images; one list for each set of classes."""
    sets: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for case in cases:
        sets.setdefault(tuple(row["name"] for row in case["classes"]), []).append(case)
    return [
        {
            "name": row["name"], "color": row["color"],
            "mean": float(np.mean([case["classes"][k]["fraction"] for case in same])),
        }
        for same in sets.values()
        for k, row in enumerate(same[0]["classes"])
    ]  # fmt: skip


def _plots(cases: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Histograms of shares over images, and of sizes of objects."""
    shown = []
    for name in dict.fromkeys(row["name"] for case in cases for row in case["classes"]):
        own = [
            (case, k, row) for case in cases for k, row in enumerate(case["classes"])
            if row["name"] == name
        ]  # fmt: skip
        shares = [100 * row["fraction"] for _, k, row in own if k > 0]
        if len(shares) >= _LEAST_VALUES:
            svg = plots.histogram(shares, "share of the image [%]")
            shown.append({"title": f"{name}: images", "svg": svg})
        sizes = [size for case, k, _ in own for number, size in case["areas"] if number == k]
        if len(sizes) >= _LEAST_VALUES:
            svg = plots.histogram(sizes, "size of an object [px]", log=True)
            shown.append({"title": f"{name}: objects", "svg": svg})
    return shown


def _columns(cases: list[dict[str, Any]]) -> list[str]:
    """Classes that have columns in the table, in the order of appearance."""
    return list(
        dict.fromkeys(row["name"] for case in cases for row in case["classes"] if row["shown"])
    )
