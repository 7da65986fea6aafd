"""The list of formats: a format is a row, and may be a folder."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
import tifffile
from conftest import ROOT
from PIL import Image

import pyengine
from pyengine.cli import main
from pyengine.formats import (
    FORMATS,
    Band,
    Format,
    Library,
    Location,
    Reader,
    ReadOptions,
    Result,
    open_image,
    read_image,
)  # fmt: skip
from pyengine.formats.array_reader import ArrayReader
from pyengine.formats.format import fill


class Bricks(Format):
    """A test's own format, a folder: one file per 16 rows and a note of the shape."""

    title = "Bricks"
    suffixes = (".bricks",)
    written_suffixes = suffixes
    is_folder = True

    def open(self, source: Location, options: ReadOptions) -> Reader:
        shape = json.loads((source.path / "shape.json").read_text())
        parts = [np.load(p) for p in sorted(source.path.glob("rows/*.npy"))]
        return ArrayReader(np.concatenate(parts, axis=-2).reshape(shape), options)

    def write(self, target: Location, result: Result, bands: Iterator[Band]) -> None:
        array = np.empty(result.shape, result.dtype)
        fill(array, result, bands)
        (target.path / "rows").mkdir(parents=True)
        for begin in range(0, array.shape[-2], 16):
            np.save(target.path / "rows" / f"{begin:06}.npy", array[..., begin : begin + 16, :])
        (target.path / "shape.json").write_text(json.dumps(array.shape))


@pytest.fixture
def bricks(monkeypatch) -> Bricks:
    added = Bricks()
    monkeypatch.setattr("pyengine.formats.registry.FORMATS", [*FORMATS, added])
    return added


def write_bricks(path: Path, array: np.ndarray) -> None:
    stacked = array.ndim == 3
    page = array.shape[-2:]
    result = Result(page, array.dtype, len(array) if stacked else 1, stacked)
    pages = array if stacked else array[None]
    Bricks().save(Location(path), result, (Band(n, 0, rows) for n, rows in enumerate(pages)))


IMAGE = np.random.default_rng(0).integers(0, 256, (40, 50), np.uint8)


def files(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_folders_are_files_of_formats_that_say_so(membranes, bricks, tmp_path) -> None:
    write_bricks(tmp_path / "in.bricks", np.stack([IMAGE, IMAGE[::-1]]))
    membranes.segment_file(tmp_path / "in.bricks", tmp_path / "out.bricks", tile=32)
    want = np.stack([membranes.segment(IMAGE), membranes.segment(IMAGE[::-1])])
    got = bricks.open(Location(tmp_path / "out.bricks"), ReadOptions(1))
    assert got.pages == 2
    np.testing.assert_array_equal(np.stack([got.rows(n, 0, 40) for n in (0, 1)]), want)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.bricks", "out.bricks"]
    # Neither an input nor another folder is ever replaced.
    with pytest.raises(ValueError, match="would replace the input"):
        membranes.segment_file(tmp_path / "in.bricks", tmp_path / "in.bricks")
    (tmp_path / "mine.bricks").mkdir()
    with pytest.raises(FileExistsError, match="is a folder, which is never replaced"):
        membranes.segment_file(tmp_path / "in.bricks", tmp_path / "mine.bricks")


def test_a_failed_run_leaves_no_half_folder(membranes, bricks, tmp_path) -> None:
    write_bricks(tmp_path / "in.bricks", IMAGE)
    with pytest.raises(pyengine.CancelledError):
        membranes.segment_file(
            tmp_path / "in.bricks", tmp_path / "out.bricks", tile=16,
            progress=lambda done, total: False,
        )  # fmt: skip
    assert [p.name for p in tmp_path.iterdir()] == ["in.bricks"]


def test_the_command_line_walks_the_list(capsys, membranes, bricks, tmp_path) -> None:
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    write_bricks(folder / "a.bricks", IMAGE)
    write_bricks(folder / "sub" / "b.bricks", IMAGE)
    # What lies in an image is no image of its own.
    Image.fromarray(IMAGE).save(folder / "a.bricks" / "thumbnail.png")
    Image.fromarray(IMAGE).save(folder / "c.png")
    out = tmp_path / "out"
    assert main(["segment", "-e", "em-membranes", str(folder), "-o", str(out)]) == 0
    assert sorted(p.name for p in out.glob("[!.]*")) == ["a.bricks", "c.png", "sub"]
    assert [p.name for p in (out / "sub").glob("[!.]*")] == ["b.bricks"]
    want = membranes.segment(IMAGE)
    for name in ("a.bricks", "sub/b.bricks", "c.png"):
        np.testing.assert_array_equal(read_image(str(out / name), 1), want)
    # Resumed: what is there is skipped, and what lacks is made.
    capsys.readouterr()
    (out / "c.png").unlink()
    assert main(["segment", "-e", "em-membranes", str(folder), "-o", str(out), "--resume"]) == 0
    assert "1 segmented, 2 skipped" in capsys.readouterr().out
    # One image to one folder that is an image, by name, by glob, and asked for.
    one = tmp_path / "one.bricks"
    assert main(["segment", "-e", "em-membranes", str(folder / "c.png"), "-o", str(one)]) == 0
    np.testing.assert_array_equal(read_image(str(one), 1), want)
    before = files(one)
    assert main(["segment", "-e", "em-membranes", str(folder / "c.png"), "-o", str(one)]) == 2
    assert "is a folder, which is never replaced" in capsys.readouterr().err
    assert files(one) == before
    glob = f"{folder}/*.bricks"
    assert (
        main(
            ["segment", "-e", "em-membranes", glob, "-o", str(tmp_path / "g"), "--format", "bricks"]
        )
        == 0
    )
    assert [p.name for p in (tmp_path / "g").glob("[!.]*")] == ["a.bricks"]
    with pytest.raises(SystemExit):
        main(["segment", "--help"])
    assert ".bricks" in capsys.readouterr().out


def test_every_format_is_told_apart(tmp_path) -> None:
    """No suffix belongs to two formats, and what is written can be read."""
    suffixes = [suffix for f in FORMATS for suffix in f.suffixes]
    assert len(suffixes) == len(set(suffixes))
    for f in FORMATS:
        assert set(f.written_suffixes) <= set(f.suffixes)
        assert all(s == s.lower() and s.startswith(".") for s in f.suffixes)


def test_a_result_gets_its_sources_format_where_it_can(tmp_path) -> None:
    from pyengine.formats.registry import suffix_like

    for source, labels, scores in [
        ("a.png", ".png", ".tif"), ("a.jpg", ".png", ".tif"), ("a.TIFF", ".tiff", ".tiff"),
        ("a.npy", ".npy", ".npy"), ("a.hdf5", ".hdf5", ".hdf5"), ("a.mat", ".png", ".tif"),
    ]:  # fmt: skip
        assert suffix_like(Path(source), "labels") == labels
        assert suffix_like(Path(source), "logits") == scores


@pytest.mark.parametrize(
    ("name", "output", "words"),
    [
        ("out.jpg", "labels", "unknown output format '.jpg'; known: .png, .tif, .npy, .h5"),
        ("out.png", "logits", "holds the labels of one image; write logits to one of .tif, .npy"),
    ],
)
def test_formats_are_refused_before_an_engine_is_opened(
    capsys, monkeypatch, tmp_path, name, output, words
) -> None:
    monkeypatch.setattr("pyengine.cli.options.Engine", lambda *_, **__: pytest.fail("opened"))
    Image.fromarray(IMAGE).save(tmp_path / "a.png")
    arguments = [str(tmp_path / "a.png"), "-o", str(tmp_path / name), "--output-kind", output]
    assert main(["segment", *arguments]) == 2
    assert words in capsys.readouterr().err


def extras() -> dict[str, list[str]]:
    tomllib = pytest.importorskip("tomllib")
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def test_libraries_come_with_extras_that_exist() -> None:
    for one in FORMATS:
        assert {library.extra for library in one.libraries} <= extras().keys()


def test_formats_are_listed_with_what_is_missing(capsys, bricks, monkeypatch, tmp_path) -> None:
    assert main(["info", "--formats"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["format", "reads", "writes", "here"]
    assert len(lines) >= 1 + len(FORMATS)
    for one, line in zip(FORMATS, lines[1:], strict=False):
        assert line.startswith(one.title)
        assert all(suffix in line.split() for suffix in one.suffixes)
    monkeypatch.setattr(Bricks, "libraries", (Library(("no_such_module",), "bricks"),))
    monkeypatch.setitem(sys.modules, "scipy", None)
    assert main(["info", "--formats"]) == 0
    text = capsys.readouterr().out
    assert 'Bricks: reading it needs no_such_module: pip install "pyengine[bricks]"' in text
    assert "MATLAB: files before version 7.3 needs scipy: pip" in text
    rows = {line.split(",")[0].split()[0]: line.split()[-1] for line in text.splitlines() if line}
    write_bricks(tmp_path / "in.bricks", IMAGE)
    with pytest.raises(ValueError, match=r"in\.bricks: a Bricks file needs no_such_module, which"):
        open_image(str(tmp_path / "in.bricks"), 1)
    assert (rows["TIFF"], rows["MATLAB"], rows["Bricks"]) == ("yes", "partly", "no")


CONTENTS = {
    ".png": lambda path: Image.fromarray(IMAGE).save(path, format="PNG"),
    ".bmp": lambda path: Image.fromarray(IMAGE).save(path, format="BMP"),
    ".pgm": lambda path: Image.fromarray(IMAGE).save(path, format="PPM"),
    ".webp": lambda path: Image.fromarray(np.stack([IMAGE] * 3, -1)).save(
        path, format="WEBP", lossless=True
    ),
    ".tif": lambda path: tifffile.imwrite(path, IMAGE),
    ".npy": lambda path: path.write_bytes(npy_bytes()),
    ".h5": lambda path: path.write_bytes(h5_bytes()),
    ".mat": lambda path: scipy.io.savemat(str(path), {"a": IMAGE}, appendmat=False),
}


def npy_bytes() -> bytes:
    file = io.BytesIO()
    np.save(file, IMAGE)
    return file.getvalue()


def h5_bytes() -> bytes:
    file = io.BytesIO()
    with h5py.File(file, "w") as handle:
        handle["raw"] = IMAGE
    return file.getvalue()


@pytest.mark.parametrize("content", CONTENTS)
def test_content_decides_and_not_the_name(tmp_path, content) -> None:
    for called in (*CONTENTS, ".jpeg", ".xyz", ""):
        path = tmp_path / f"a{called}"
        CONTENTS[content](path)
        np.testing.assert_array_equal(read_image(str(path), 1), IMAGE, err_msg=called)
        path.unlink()


def test_folders_give_files_without_a_suffix_by_their_content(tmp_path) -> None:
    from pyengine.formats.registry import images_below

    CONTENTS[".tif"](tmp_path / "scan")
    CONTENTS[".tif"](tmp_path / "model.bin")
    (tmp_path / "Makefile").write_text("all:\n")
    CONTENTS[".png"](tmp_path / "b.tif")
    for system in ("@eaDir", "__MACOSX", ".hidden", "$RECYCLE.BIN"):
        (tmp_path / system).mkdir()
        CONTENTS[".png"](tmp_path / system / "b.png")
    CONTENTS[".png"](tmp_path / "._b.png")
    assert [path.name for path in images_below(tmp_path)] == ["b.tif", "scan"]
