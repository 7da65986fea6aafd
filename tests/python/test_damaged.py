"""Whatever a decoder or an encoder raises is an error of one file."""

from __future__ import annotations

import itertools
import struct
import zipfile
import zlib
from pathlib import Path

import h5py
import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from pyengine.cli import main
from pyengine.formats import open_image
from pyengine.formats.array_reader import ArrayReader
from pyengine.formats.npy import Npy

IMAGE = np.random.default_rng(3).integers(0, 256, (60, 70), np.uint8)
RAISED = [
    RuntimeError("many\nlines"), struct.error("unpack"), zlib.error("-3"), IndexError("at"),
    KeyError("tag"), MemoryError(), ValueError("value"), AssertionError(), RecursionError("deep"),
    OSError(5, "Input/output error"), NotImplementedError("codec"), EOFError(), OverflowError("big"),
    imagecodecs.DelayedImportError("codec"),
]  # fmt: skip


def batch(folder: Path, *names: str) -> Path:
    """Good images around those named, which the caller damages."""
    folder.mkdir()
    for name in ("a.png", "z.png"):
        Image.fromarray(IMAGE).save(folder / name)
    for name in names:
        np.save(folder / name, IMAGE)
    return folder


def segment(capfd, folder: Path, out: Path) -> tuple[int, list[str]]:
    status = main(["segment", str(folder), "-o", str(out), "--engine", "em-membranes"])
    return status, capfd.readouterr().err.strip().splitlines()


def damage(path: Path) -> None:
    """Overwrite the middle of a file's pixels."""
    content = bytearray(path.read_bytes())
    start = len(content) // 3
    content[start : 2 * start] = b"\xff\x00" * (start // 2) + b"\xff" * (start % 2)
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def write(path: Path, compression: str | None) -> None:
    if path.suffix == ".tif":
        tifffile.imwrite(path, IMAGE, compression=compression, tile=(32, 32))
    elif path.suffix == ".h5":
        with h5py.File(path, "w") as file:
            file.create_dataset("raw", data=IMAGE, compression=compression, fletcher32=True)
    elif path.suffix == ".npy":
        np.save(path, IMAGE)
    else:
        Image.fromarray(IMAGE).save(path)


@pytest.mark.parametrize("harm", [damage, cut])
@pytest.mark.parametrize(
    ("name", "compression"),
    [
        *(("b.tif", c) for c in ("lzw", "deflate", "zstd", "jpeg", "lzma", "jpeg2000")),
        ("b.png", None), ("b.h5", "gzip"), ("b.jpg", None), ("b.webp", None),
    ],
)  # fmt: skip
def test_a_damaged_file_costs_one_line(capfd, tmp_path, name, compression, harm) -> None:
    folder = batch(tmp_path / "in")
    write(folder / name, compression)
    harm(folder / name)
    try:  # JPEG and JPEG 2000 have no check sums: some damage cannot be told from an image
        with open_image(str(folder / name), 1) as reader:
            reader.rows(0, 0, 60)
    except (OSError, ValueError) as error:
        assert str(folder / name) in str(error)
        failures = 1
    else:
        assert name in ("b.jpg", "b.tif")
        assert compression in (None, "jpeg", "jpeg2000", "lzw")
        failures = 0
    capfd.readouterr()
    status, lines = segment(capfd, folder, tmp_path / "out")
    done = {p.stem for p in (tmp_path / "out").glob("[abz].*")}
    assert (status, len(lines)) == (failures, failures), lines
    assert done == ({"a", "z"} if failures else {"a", "b", "z"})
    if failures:
        assert lines[0].count(name) == 1


@pytest.mark.parametrize("name", ["b.tif", "b.png", "b.npy", "b.h5"])
def test_files_cut_anywhere_are_refused_or_whole(tmp_path, name) -> None:
    write(tmp_path / name, None)
    content = (tmp_path / name).read_bytes()
    for size in itertools.chain(range(0, 300, 7), range(300, len(content), 97)):
        (tmp_path / name).write_bytes(content[:size])
        try:
            with open_image(str(tmp_path / name), 1) as reader:
                np.testing.assert_array_equal(reader.rows(0, 0, 60), IMAGE)
        except OSError as error:
            assert name in str(error)


@pytest.mark.parametrize("method", ["open", "rows", "write"])
@pytest.mark.parametrize("error", RAISED, ids=lambda e: type(e).__name__)
def test_every_exception_of_a_format_is_its_files(
    capfd, monkeypatch, tmp_path, method, error
) -> None:
    def fail(*_: object) -> None:
        raise error

    if method == "rows":
        broken = type("Broken", (ArrayReader,), {"rows": fail})
        monkeypatch.setattr("pyengine.formats.npy.ArrayReader", broken)
    else:
        monkeypatch.setattr(Npy, method, fail)
    folder = batch(tmp_path / "in", "b.npy")
    status, lines = segment(capfd, folder, tmp_path / "out")
    assert (status, len(lines)) == (1, 1), lines
    assert "b.npy" in lines[0]
    assert sorted(p.name for p in (tmp_path / "out").glob("[!.]*")) == ["a.png", "z.png"]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_a_user_who_stops_a_batch_stops_it(monkeypatch, tmp_path, stop) -> None:
    def fail(*_: object) -> None:
        raise stop

    monkeypatch.setattr(Npy, "open", fail)
    folder = batch(tmp_path / "in", "b.npy")
    arguments = ["segment", str(folder), "-o", str(tmp_path / "out"), "--engine", "em-membranes"]
    if stop is SystemExit:
        with pytest.raises(SystemExit):
            main(arguments)
    else:
        assert main(arguments) == 130
    assert not (tmp_path / "out" / "z.png").exists()


def test_faults_of_the_program_are_not_the_files(monkeypatch, membranes, tmp_path) -> None:
    """What is raised between reading and writing passes as it is."""
    np.save(tmp_path / "in.npy", IMAGE)
    for suffix in (".npy", ".tif", ".h5", ".png"):
        with pytest.raises(ZeroDivisionError):
            membranes.segment_file(
                tmp_path / "in.npy", tmp_path / f"out{suffix}", progress=lambda *_: 1 // 0
            )
        assert [p.name for p in tmp_path.iterdir()] == ["in.npy"]


def test_one_bad_image_does_not_cost_the_others_their_class(capfd, make_engine, tmp_path) -> None:
    from torch import nn

    network = nn.Sequential(nn.Conv2d(1, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    engine = make_engine(network.eval(), (1, 1, 8, 8), task="classification")
    folder = batch(tmp_path / "in")
    (folder / "b.png").write_bytes(b"broken")
    assert main(["classify", str(folder), "--engine", engine.info.path]) == 1
    out, err = capfd.readouterr()
    assert len(out.splitlines()) == 2
    assert len(err.splitlines()) == 1
    assert "b.png: not a readable image" in err


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(
        ">I", zlib.crc32(kind + content)
    )  # fmt: skip


def png_bomb(path: Path) -> None:
    size = struct.pack(">IIBBBBB", 200_000, 200_000, 8, 0, 0, 0, 0)
    data = chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)


def tiff_bomb(path: Path, **options: object) -> None:
    """A page whose tags say more than its strip holds."""
    tifffile.imwrite(path, IMAGE, compression="zlib", rowsperstrip=60)
    with tifffile.TiffFile(path, mode="r+b") as tiff:
        tags = tiff.pages[0].tags
        for code in (256, 257, 278):
            tags[code].overwrite(200_000, dtype="I")


def h5_bomb(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("a", (60_000, 60_000), "u1", chunks=(30_000, 30_000), compression=9)


def npz_bomb(path: Path) -> None:
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a.npy", "w") as f,
    ):
        np.lib.format.write_array_header_1_0(
            f, {"descr": "|u1", "fortran_order": False, "shape": (200_000, 200_000)}
        )


def jp2_bomb(path: Path) -> None:
    content = bytearray(imagecodecs.jpeg2k_encode(IMAGE))
    place = content.find(b"\xff\x4f\xff\x51")
    content[place + 8 : place + 16] = struct.pack(">2I", 200_000, 200_000)
    path.write_bytes(content)


BOMBS = {
    "b.png": png_bomb, "b.tif": tiff_bomb, "b.h5": h5_bomb, "b.npz": npz_bomb, "b.jp2": jp2_bomb
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_files_that_unpack_to_more_than_memory_holds(capfd, tmp_path, name) -> None:
    folder = batch(tmp_path / "in")
    BOMBS[name](folder / name)
    status, lines = segment(capfd, folder, tmp_path / "out")
    assert (status, len(lines)) == (1, 1), lines
    assert f"{name}: " in lines[0]
    assert "decoded in one piece, and at most 536,870,912 px are" in lines[0]
    assert {p.stem for p in (tmp_path / "out").glob("[abz].*")} == {"a", "z"}


def test_the_limit_can_be_raised_and_lowered(capfd, membranes, tmp_path) -> None:
    """The way out that the message names leads out."""
    Image.fromarray(IMAGE).save(tmp_path / "a.png")
    arguments = ["segment", str(tmp_path / "a.png"), "-o", str(tmp_path / "o.npy"),
                 "--engine", "em-membranes", "--max-pixels"]  # fmt: skip
    assert main([*arguments, "4199"]) == 2
    (line,) = capfd.readouterr().err.strip().splitlines()
    assert line.endswith("raise max_pixels (--max-pixels 4200)")
    assert main([*arguments, "4200"]) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "o.npy"), membranes.segment(IMAGE))
    # What is read by rows has no limit.
    tifffile.imwrite(tmp_path / "a.tif", IMAGE)
    np.save(tmp_path / "a.npy", IMAGE)
    for name in ("a.tif", "a.npy"):
        with open_image(str(tmp_path / name), 1, max_pixels=1) as reader:
            np.testing.assert_array_equal(reader.rows(0, 0, 60), IMAGE)


def test_files_that_vanish_cost_one_line(capfd, monkeypatch, tmp_path) -> None:
    folder = batch(tmp_path / "in", "b.npy", "c.npy")
    rows = ArrayReader.rows

    def and_delete(self, page, begin, end):
        (folder / "c.npy").unlink(missing_ok=True)
        return rows(self, page, begin, end)

    monkeypatch.setattr(ArrayReader, "rows", and_delete)
    status, lines = segment(capfd, folder, tmp_path / "out")
    assert (status, len(lines)) == (1, 1), lines
    assert "c.npy" in lines[0]
    assert {p.stem for p in (tmp_path / "out").glob("[abcz].*")} == {"a", "b", "z"}


@pytest.mark.parametrize("name", ["b.png", "b.tif", "b.npy", "b.h5", "b.npz", "b.mat", "b.jp2"])
def test_empty_files_cost_one_line(capfd, tmp_path, name) -> None:
    folder = batch(tmp_path / "in")
    (folder / name).write_bytes(b"")
    status, lines = segment(capfd, folder, tmp_path / "out")
    assert (status, len(lines)) == (1, 1), lines
    assert lines[0].count(name) >= 1


def test_one_strip_is_decoded_once(tmp_path, monkeypatch) -> None:
    from pyengine.formats.tiff import rows

    seen = []
    segment_of = rows._segment
    monkeypatch.setattr(rows, "_segment", lambda p, i: (seen.append(i), segment_of(p, i))[1])
    tifffile.imwrite(tmp_path / "a.tif", IMAGE, compression="zlib", rowsperstrip=60)
    tifffile.imwrite(tmp_path / "b.tif", IMAGE, compression="zlib", tile=(16, 32))
    for name, segments in (("a.tif", 1), ("b.tif", 4 * 3)):
        seen.clear()
        with open_image(str(tmp_path / name), 1) as reader:
            parts = [reader.rows(0, begin, begin + 5) for begin in range(0, 60, 5)]
        np.testing.assert_array_equal(np.concatenate(parts), IMAGE)
        assert len(seen) == segments


def test_one_strip_without_compression_is_read_by_rows(tmp_path) -> None:
    """Only the wanted rows: the rest of the file may even be missing."""
    for array in (IMAGE, np.stack([IMAGE] * 3, -1)):
        rgb = array.ndim == 3
        for order in "<>":
            image = array.astype(np.uint16) * 257
            path = tmp_path / "a.tif"
            tifffile.imwrite(
                path, image, rowsperstrip=60, byteorder=order, metadata=None,
                photometric="rgb" if rgb else "minisblack",
            )  # fmt: skip
            with tifffile.TiffFile(path) as tiff:
                start = tiff.pages[0].dataoffsets[0]
            with open_image(str(path), 3 if rgb else 1) as reader:
                path.write_bytes(path.read_bytes()[: start + image[:30].nbytes])
                np.testing.assert_array_equal(reader.rows(0, 7, 30), image[7:30])
                with pytest.raises(OSError, match="ends in the middle"):
                    reader.rows(0, 7, 31)
