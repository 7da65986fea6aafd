"""`pyengine segment` with what is made of labels: tables, objects, contours, maps, a montage."""

from __future__ import annotations

import csv
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from threshold_engine import threshold_engine

import pyengine
from pyengine.cli import companions, main

pytest.importorskip("skimage")


@pytest.fixture(scope="module")
def engine_file(tmp_path_factory) -> Path:
    return threshold_engine(tmp_path_factory.mktemp("engine") / "thresholds.pyengine")


def image(shift: int = 0) -> np.ndarray:
    """A dim square of 16 px and a bright one of 6."""
    out = np.full((20, 30), 10, np.uint8)
    out[2:6, 3 + shift : 7 + shift] = 100
    out[10:12, 20:23] = 200
    return out


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "in" / "sub").mkdir(parents=True)
    Image.fromarray(image()).save(tmp_path / "in" / "a.png")
    tifffile.imwrite(tmp_path / "in" / "sub" / "b.tif", np.stack([image(), image(5)]))
    return tmp_path


def segment(engine: Path, folder: Path, *more: Any) -> int:
    arguments = ["segment", folder / "in", "-o", folder / "out", "-e", engine, *more]
    return main([str(argument) for argument in arguments])


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_tables_of_a_folder(engine_file, folder) -> None:
    table = folder / "new" / "table.csv"
    assert segment(engine_file, folder, "--measure", table, "--spacing", "0.5x2mm") == 0
    classes = rows(table)
    assert [row["image"] for row in classes] == [str(folder / "in" / "a.png")] * 3 + [
        str(folder / "in" / "sub" / "b.tif")
    ] * 6
    dim = classes[1]
    assert (dim["name"], dim["area_px"], dim["area_mm2"], dim["objects"]) == (
        "dim", "16", "16.0", "1",
    )  # fmt: skip
    assert float(dim["fraction"]) == 16 / 600
    assert dim["mean_intensity"] == "100.0"
    objects = rows(folder / "new" / "table.objects.csv")
    assert [(row["page"], row["class"], row["area_px"]) for row in objects] == [
        ("0", "1", "16"), ("0", "2", "6"), ("0", "1", "16"), ("0", "2", "6"), ("1", "1", "16"),
        ("1", "2", "6"),
    ]  # fmt: skip
    assert [objects[4][k] for k in ("bbox_top_px", "bbox_left_px", "bbox_bottom_px")] == [
        "2", "8", "6",
    ]  # fmt: skip
    assert not (folder / "new" / "table.volumes.csv").exists()


def test_a_stack_is_a_volume_if_asked(engine_file, folder) -> None:
    table = folder / "table.json"
    arguments = ["--measure", table, "--volume", "--spacing", "2x1x1mm"]
    assert segment(engine_file, folder, *arguments) == 0
    volumes = json.loads((folder / "table.volumes.json").read_text())
    stack = [row for row in volumes if row["image"].endswith("b.tif")]
    # The dim squares of the two slices touch by a corner: columns 3 to 6, and 8 to 11, do not.
    assert [(row["name"], row["voxels"], row["volume_mm3"], row["objects"]) for row in stack] == [
        ("background", 1156, 2312.0, None), ("dim", 32, 64.0, 2), ("bright", 12, 24.0, 1),
    ]  # fmt: skip


def test_objects_contours_and_maps_lie_beside_the_result(engine_file, folder) -> None:
    asked = ["--instances", "components", "--contours", "--uncertainty", "--probabilities"]
    assert segment(engine_file, folder, *asked) == 0
    out = folder / "out"
    numbers = tifffile.imread(out / "sub" / "b.instances.tif")
    assert numbers.shape == (2, 20, 30)
    assert numbers.dtype == np.uint32
    assert [numbers[0, 3, 4], numbers[0, 10, 20], numbers[1, 3, 9]] == [1, 2, 1]
    collection = json.loads((out / "sub" / "b.geojson").read_text())
    assert [f["properties"]["classification"]["name"] for f in collection["features"]] == [
        "dim", "bright", "dim", "bright",
    ]  # fmt: skip
    assert collection["features"][0]["geometry"]["coordinates"] == [
        [[3, 2], [7, 2], [7, 6], [3, 6], [3, 2]]
    ]
    assert collection["features"][3]["geometry"]["plane"]["z"] == 1
    scores = tifffile.imread(out / "a.probabilities.tif")
    assert scores.shape == (3, 20, 30)
    np.testing.assert_array_equal(
        tifffile.imread(out / "a.uncertainty.tif"), pyengine.uncertainty(scores)
    )


def test_oct_maps(engine_file, folder) -> None:
    table = folder / "t.csv"
    given = ["--oct", "--volume", "--spacing", "0.2x0.01x0.02mm", "--laterality", "OD"]
    assert segment(engine_file, folder, *given, "--measure", table) == 0
    maps = tifffile.imread(folder / "out" / "sub" / "b.thickness.tif")
    assert maps.shape == (2, 2, 30)
    np.testing.assert_allclose(maps[0, 0, 2:8], [0, 40, 40, 40, 40, 0])  # 4 px of 10 um
    np.testing.assert_allclose(maps[1, :, 20:23], 20)
    seen = tifffile.imread(folder / "out" / "sub" / "b.enface.tif")
    assert seen.shape == (2, 30)
    assert seen[0, 3] == (4 * 100 + 16 * 10) / 20
    scans = rows(folder / "t.ascans.csv")
    assert len(scans) == 3 * 2 * 30  # B-scans, classes, A-scans
    assert next(r for r in scans if r["a_scan"] == "3" and r["class"] == "1")[
        "thickness_px"
    ] == "4"  # fmt: skip
    fields = [row for row in rows(folder / "t.etdrs.csv") if row["image"].endswith("b.tif")]
    assert [row["field"] for row in fields[:4]] == [
        "center", "inner superior", "inner nasal", "inner inferior",
    ]  # fmt: skip


def test_resume_makes_what_lacks_and_keeps_what_is_there(engine_file, folder, capsys) -> None:
    table = folder / "t.csv"
    assert segment(engine_file, folder, "--measure", table) == 0
    first = table.read_bytes()
    capsys.readouterr()
    record = folder / "out" / ".pyengine-measured" / "a.png.json"
    before = record.stat().st_mtime_ns, (folder / "out" / "a.png").stat().st_mtime_ns
    again = ["--resume", "--measure", table]
    table.unlink()
    assert segment(engine_file, folder, *again) == 0
    assert capsys.readouterr().out.startswith("0 segmented, 2 skipped")
    assert table.read_bytes() == first
    # Another spacing: measured anew, from labels that stay.
    assert segment(engine_file, folder, *again, "--spacing", "1mm", "--contours") == 0
    assert capsys.readouterr().out.startswith("2 segmented, 0 skipped")
    after = record.stat().st_mtime_ns, (folder / "out" / "a.png").stat().st_mtime_ns
    assert after[0] > before[0]
    assert after[1] == before[1]
    assert rows(table)[0]["area_mm2"] == "578.0"
    assert (folder / "out" / "a.geojson").exists()


@pytest.mark.parametrize("writer", ["save_features", "write_atomically", "save_result"])
def test_an_interrupted_run_resumes_to_the_same_files(
    engine_file, folder, monkeypatch, writer
) -> None:
    """Stopped in the second file of a kind: nothing is half, and the rest is made."""
    asked = ["--measure", folder / "t.csv", "--contours", "--instances", "watershed", "--montage",
             folder / "m.png"]  # fmt: skip
    assert segment(engine_file, folder, *asked) == 0
    expected = contents(folder)
    shutil.rmtree(folder / "out")
    (folder / "t.csv").unlink()
    calls: list[int] = []
    real = getattr(companions, writer)

    def stopped(*arguments: Any) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        real(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(companions, writer, stopped)
        assert segment(engine_file, folder, *asked) == 130
    assert not (folder / "t.csv").exists()
    assert contents(folder).items() <= expected.items()
    assert segment(engine_file, folder, *asked, "--resume") == 0
    assert contents(folder) == expected


def contents(folder: Path) -> dict[str, bytes]:
    """All that is written, but for the notes."""
    files = [f for f in folder.rglob("*") if f.is_file() and f.name != ".pyengine-made.jsonl"]
    return {str(f.relative_to(folder)): f.read_bytes() for f in files}


def test_a_damaged_image_costs_its_line_and_nothing_else(engine_file, folder, capsys) -> None:
    (folder / "in" / "bad.png").write_bytes((folder / "in" / "a.png").read_bytes()[:60])
    table, sheet = folder / "t.csv", folder / "sheet.png"
    assert segment(engine_file, folder, "--measure", table, "--montage", sheet) == 1
    said = capsys.readouterr()
    assert len([line for line in said.err.splitlines() if "bad.png" in line]) == 1
    assert {Path(row["image"]).name for row in rows(table)} == {"a.png", "b.tif"}
    assert Image.open(sheet).size == (2 * 208 + 8, 20 + 16 + 8 + 8)


def test_own_files_are_no_inputs(engine_file, folder, capsys) -> None:
    inside = folder / "in"
    asked = ["--instances", "watershed", "--uncertainty", "--montage", inside / "sheet.png"]
    arguments = ["segment", inside, "-o", inside / "out", "-e", engine_file, *asked]
    assert main([str(a) for a in arguments]) == 0
    assert main([str(a) for a in arguments]) == 0
    assert capsys.readouterr().out == "2 segmented, 0 skipped, 0 failed\n" * 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--measure t.xlsx", r"tables are written as \.csv, \.json, \.parquet"),
        ("--measure t.csv --output-kind probabilities", "--measure reads labels"),
        ("--spacing 0.5", "spacing must be like 0.5um"),
        ("--object-classes cell --measure t.csv", "'cell' is none of background, dim, bright"),
        ("--montage t.jpg", r"is written as \.png"),
        ("--laterality OD", "give --oct as well"),
        ("--min-distance 0 --instances watershed", "at least 1 px, got 0"),
        ("--measure in/a.png", "tables are written as"),
        ("--montage in/a.png", "would replace the input"),
        ("--measure out", "tables are written as"),
    ],
)
def test_what_makes_no_sense_is_refused_before_work_begins(
    engine_file, folder, monkeypatch, capsys, arguments, words
) -> None:
    monkeypatch.chdir(folder)
    given = ["segment", "in", "-o", "out", "-e", str(engine_file), *arguments.split()]
    assert main(given) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert re.search(words, said), said
    assert not (folder / "out").exists()


def test_without_scikit_image_it_is_said_how_it_comes(
    engine_file, folder, monkeypatch, capsys
) -> None:
    monkeypatch.setitem(sys.modules, "skimage.measure", None)
    assert segment(engine_file, folder, "--contours") == 2
    assert 'pip install "pyengine[measure]"' in capsys.readouterr().err
