"""Slides and microscopes' files: our reader against an independent one, level by level."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from pyengine.cli import main
from pyengine.formats import Calibration, Location, ReadOptions, open_image
from pyengine.formats.openslide import OpenSlide

RNG = np.random.default_rng(5)
SMALL = RNG.integers(0, 256, (20, 24, 3), np.uint8)
# JPEG keeps what is smooth.
IMAGE = np.kron(SMALL, np.ones((16, 16, 1))).astype(np.uint8)  # 320 x 384
LEVELS = [IMAGE, IMAGE[::2, ::2], IMAGE[::4, ::4]]
COMPRESSIONS = {
    "none": {}, "jpeg": {"compression": "jpeg", "compressionargs": {"level": 90}},
    "jpeg2000": {"compression": "aperio_jp2000_rgb"}, "lzw": {"compression": "lzw"},
}  # fmt: skip


def aperio(path: Path, compression: str = "none") -> None:
    text = f"Aperio Image Library v12\r\n{IMAGE.shape[1]}x{IMAGE.shape[0]}|AppMag = 20|MPP = 0.5"
    common = {"photometric": "rgb", "metadata": None, "software": None, "description": text}
    with tifffile.TiffWriter(path) as writer:
        for n, level in enumerate(LEVELS):
            writer.write(level, tile=(64, 64), **common, **COMPRESSIONS[compression])
            if n == 0:
                writer.write(level[::8, ::8], **common)


def pyramid(path: Path) -> None:
    """A generic one, as vips writes."""
    with tifffile.TiffWriter(path) as writer:
        for n, level in enumerate(LEVELS):
            writer.write(
                level, tile=(64, 64), photometric="rgb", metadata=None, subfiletype=int(n > 0),
                resolution=(20000, 20000), resolutionunit="CENTIMETER",
            )  # fmt: skip


def by_openslide(path: Path, level: int) -> np.ndarray:
    openslide = pytest.importorskip("openslide")
    with openslide.OpenSlide(str(path)) as opened:
        region = opened.read_region((0, 0), level, opened.level_dimensions[level])
        return np.asarray(region.convert("RGB"))


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_aperio_slides_are_what_openslide_reads(tmp_path, compression) -> None:
    path = tmp_path / "a.svs"
    try:
        aperio(path, compression)
    except (ValueError, NotImplementedError) as error:
        pytest.skip(f"this tifffile does not write it: {error}")
    for n, level in enumerate(LEVELS):
        with open_image(str(path), 3, level=n) as reader:
            got = np.concatenate([reader.rows(0, a, min(a + 50, reader.shape[0]))
                                  for a in range(0, reader.shape[0], 50)])  # fmt: skip
            assert reader.calibration == Calibration(0.5 * 2**n, 0.5 * 2**n, "µm")
        if compression in ("none", "lzw"):
            np.testing.assert_array_equal(got, level)
        want = by_openslide(path, n)
        # Decoders of JPEG may round the last bit in different ways.
        bound = 0 if compression != "jpeg" else 2
        assert np.abs(got.astype(int) - want).max() <= bound


def test_aperios_samples_of_ycbcr_become_rgb(tmp_path) -> None:
    """Its compression says what samples are, whatever the photometric interpretation."""
    from PIL import Image

    path = tmp_path / "a.svs"
    ycbcr = np.asarray(Image.fromarray(IMAGE).convert("YCbCr"))
    text = "Aperio Image Library v12\r\n384x320|AppMag = 20"
    tifffile.imwrite(
        path, ycbcr, tile=(64, 64), photometric="rgb", compression=33003, description=text,
        metadata=None, software=None,
    )  # fmt: skip
    with open_image(str(path), 3) as reader:
        got = reader.rows(0, 0, 320).astype(int)
    # Both round from the same numbers, OpenSlide by tables.
    assert np.abs(got - by_openslide(path, 0)).max() <= 1
    assert np.abs(got - IMAGE).max() <= 3  # what YCbCr of 8 bits keeps


@pytest.mark.parametrize("write", [aperio, pyramid])
def test_the_reader_by_openslide_reads_regions_and_levels(tmp_path, write) -> None:
    pytest.importorskip("openslide")
    path = tmp_path / "a.tif"
    write(path)
    for n, level in enumerate(LEVELS):
        with OpenSlide().open(Location(path), ReadOptions(3, level=n)) as reader:
            assert reader.levels == ((320, 384), (160, 192), (80, 96))
            assert (reader.shape, reader.dtype) == (level.shape, np.uint8)
            for begin, end in ((0, level.shape[0]), (13, 40), (79, 80)):
                np.testing.assert_array_equal(reader.rows(0, begin, end), level[begin:end])
            if write is aperio:
                assert reader.calibration == Calibration(0.5 * 2**n, 0.5 * 2**n, "µm")
    with pytest.raises(ValueError, match="has no level 3; it has 0: 320 x 384 px"):
        OpenSlide().open(Location(path), ReadOptions(3, level=3))


def test_what_was_not_scanned_is_background(tmp_path, monkeypatch) -> None:
    openslide = pytest.importorskip("openslide")
    pyramid(tmp_path / "a.tif")
    clear = np.zeros((320, 384, 4), np.uint8)
    clear[:100, :, 0], clear[:100, :, 3] = 200, 255
    clear[100:150, :, 3] = 51

    def read_region(self, place, level, size):
        from PIL import Image

        return Image.fromarray(clear[place[1] : place[1] + size[1], : size[0]])

    monkeypatch.setattr(openslide.OpenSlide, "read_region", read_region)
    with OpenSlide().open(Location(tmp_path / "a.tif"), ReadOptions(3)) as reader:
        got = reader.rows(0, 0, 320)
    assert (got[:100] == (200, 0, 0)).all()
    assert (got[100:150] == 204).all()
    assert (got[150:] == 255).all()


def test_the_extra_is_named_where_the_library_is_missing(tmp_path, monkeypatch, capsys) -> None:
    (tmp_path / "a.mrxs").write_bytes(b"")
    (tmp_path / "a.nd2").write_bytes(b"\xda\xce\xbe\x0a")
    for name in ("openslide", "bioio", "bioio_nd2"):
        monkeypatch.setitem(sys.modules, name, None)
    for name, extra in (("a.mrxs", "slides"), ("a.nd2", "microscopes")):
        with pytest.raises(ValueError, match=rf"{name}: .* needs .*\"pyengine\[{extra}\]\" brings"):
            open_image(str(tmp_path / name), 3)
    assert main(["info", "--formats"]) == 0
    assert 'needs openslide: pip install "pyengine[slides]"' in capsys.readouterr().out


def test_damaged_slides_are_refused_by_name(tmp_path) -> None:
    for name, module in (("a.mrxs", "openslide"), ("a.czi", "bioio_czi"), ("a.lif", "bioio_lif"),
                         ("a.nd2", "bioio_nd2")):  # fmt: skip
        pytest.importorskip(module)
        (tmp_path / name).write_bytes(b"no slide" * 100)
        with pytest.raises((OSError, ValueError), match=name):
            open_image(str(tmp_path / name), 3)


# ---- Zeiss CZI ----------------------------------------------------------------------------------

VOLUME = RNG.integers(0, 65536, (2, 3, 40, 50), np.uint16)  # CZYX


def czi(path: Path, planes: np.ndarray = VOLUME) -> None:
    writer = pytest.importorskip("pylibCZIrw.czi")
    with writer.create_czi(str(path)) as document:
        for c, channel in enumerate(planes):
            for z, plane in enumerate(channel):
                document.write(plane[..., None], plane={"C": c, "Z": z, "T": 0})
        document.write_metadata("a", scale_x=0.25e-6, scale_y=0.5e-6, scale_z=2e-6)


def test_czi(tmp_path, capsys, membranes) -> None:
    pytest.importorskip("bioio_czi")
    path = tmp_path / "a.czi"
    czi(path)
    with open_image(str(path), 1) as reader:
        assert (reader.axes, reader.pages) == ("CZYX", 6)
        assert reader.stack == (("C", 2), ("Z", 3))
        got = np.stack([np.concatenate([reader.rows(n, 0, 17), reader.rows(n, 17, 40)])
                        for n in range(6)])  # fmt: skip
        assert reader.calibration == Calibration(0.5, 0.25, "µm", 2.0)
    np.testing.assert_array_equal(got, VOLUME.reshape(-1, 40, 50))
    with open_image(str(path), 2) as reader:
        assert (reader.axes, reader.pages, reader.shape) == ("ZCYX", 3, (40, 50, 2))
        got = np.stack([reader.rows(n, 0, 40) for n in range(3)])
    np.testing.assert_array_equal(got, np.moveaxis(VOLUME, 0, -1))
    (tmp_path / "in").mkdir()
    path.rename(tmp_path / "in" / "a.czi")
    arguments = ["segment", "-e", "em-membranes", str(tmp_path / "in"), "-o", str(tmp_path / "o")]
    assert main([*arguments, "--input-range", "dtype"]) == 0
    with tifffile.TiffFile(tmp_path / "o" / "a.ome.tif") as tiff:
        assert tiff.series[0].axes == "CZYX"
        want = [membranes.segment(p, input_range="dtype") for p in VOLUME.reshape(-1, 40, 50)]
        np.testing.assert_array_equal(tiff.asarray().reshape(-1, 40, 50), want)


# ---- memory -------------------------------------------------------------------------------------

SCRIPT = """
import resource, sys, pyengine
engine = pyengine.Engine(sys.argv[1], threads=1)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
engine.segment_file(sys.argv[2], sys.argv[3], output=sys.argv[4], tile=256)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize(("name", "output"), [("o.ome.tif", "labels"), ("o.tif", "probabilities")])
def test_slides_go_through_in_little_memory(make_engine, tmp_path, name, output) -> None:
    """192 MiB of pixels, of scores 512 MiB: bands of 256 rows are about 6 MiB."""
    from torch import nn

    engine = make_engine(nn.Conv2d(3, 2, 1).eval(), (1, 3, 8, 8))
    tile = np.kron(SMALL[:16, :16], np.ones((16, 16, 1))).astype(np.uint8)
    source = tmp_path / "a.svs"
    tifffile.imwrite(
        source, iter([tile] * 32**2), shape=(8192, 8192, 3), dtype=np.uint8, tile=(256, 256),
        photometric="rgb", compression="zlib", metadata=None,
    )  # fmt: skip
    arguments = [engine.info.path, str(source), str(tmp_path / name), output]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 150, "MiB"


def test_overlays_of_slides_are_smaller(tmp_path, monkeypatch) -> None:
    from PIL import Image

    monkeypatch.setattr("pyengine.cli.companions.MAX_SHOWN", 320 * 384 // 8)
    path = tmp_path / "a.svs"
    aperio(path)
    out = tmp_path / "o.ome.tif"
    assert main(["segment", "-e", "retinal-vessels", str(path), "-o", str(out), "--overlay"]) == 0
    with Image.open(tmp_path / "o.overlay.png") as picture:
        assert picture.size == (128, 107)
