"""Axes: as the file says, as the user says, or told by lengths; and pyramids, by level."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
import tifffile
from PIL import Image

from pyengine.cli import main
from pyengine.formats import open_image

RNG = np.random.default_rng(3)
HYPER = RNG.integers(0, 65536, (2, 3, 4, 21, 30), np.uint16)  # TZCYX
COLOR = RNG.integers(0, 256, (21, 30, 3), np.uint8)


def images(path: Path | str, channels: int = 1, **how) -> np.ndarray:
    """All images of a file, read in two parts: (H, W[, C]), or with one axis more in front."""
    with open_image(str(path), channels, **how) as reader:
        cut = reader.shape[0] // 3
        pages = [
            np.concatenate([reader.rows(n, 0, cut), reader.rows(n, cut, reader.shape[0])])
            for n in range(reader.pages)
        ]
        assert all(page.shape == reader.shape for page in pages)
        return np.stack(pages) if reader.stacked else pages[0]


def taken(path: Path | str, channels: int = 1, **how) -> tuple[str, str, tuple]:
    with open_image(str(path), channels, **how) as reader:
        return reader.axes, reader.axes_by, reader.stack


def write_array(path: Path, array: np.ndarray) -> None:
    if path.suffix == ".npy":
        np.save(path, array)
    else:
        with h5py.File(path, "w") as file:
            file["raw"] = array


@pytest.mark.parametrize("suffix", [".npy", ".h5"])
def test_axes_in_any_order(tmp_path, suffix) -> None:
    path = tmp_path / f"a{suffix}"
    small = HYPER[0, :, 0]
    for order in itertools.permutations("ZYX"):
        write_array(path, small.transpose(["ZYX".index(axis) for axis in order]))
        np.testing.assert_array_equal(images(path, axes="".join(order)), small)
    for order in itertools.permutations("TCYX"):
        write_array(path, HYPER[:, 0].transpose(["TCYX".index(axis) for axis in order]))
        got = images(path, 4, axes="".join(order).lower())
        np.testing.assert_array_equal(got, np.moveaxis(HYPER[:, 0], 1, -1))
    write_array(path, HYPER)
    assert taken(path, axes="TZPYX") == ("TZPYX", "--axes", (("T", 2), ("Z", 3), ("P", 4)))
    np.testing.assert_array_equal(images(path, axes="TZPYX"), HYPER.reshape(-1, 21, 30))


def test_one_column_is_an_image_of_one_channel_unless_axes_say_otherwise(tmp_path, capsys) -> None:
    """(H, W, 1), which once became H images of W x 1 px."""
    path = tmp_path / "a.npy"
    np.save(path, COLOR[..., :1])
    np.testing.assert_array_equal(images(path), COLOR[..., 0])
    np.testing.assert_array_equal(images(path, axes="ZYX"), COLOR[..., :1])
    assert main(["info", str(path)]) == 0
    assert "axes    YXC, by their lengths; --axes names others" in capsys.readouterr().out
    assert main(["info", str(path), "--axes", "zyx"]) == 0
    text = capsys.readouterr().out
    assert "axes    ZYX, as --axes says" in text
    assert "images  21 of 30 x 1 px, 1 channel(s), uint8" in text


@pytest.mark.parametrize(
    ("axes", "words"),
    [
        ("YX", "name 2 axes, the array of shape (21, 30, 3) has 3"),
        ("ZZX", "must be distinct letters with Y and X among them"),
        ("Y X", "must be distinct letters"),
        ("ZCY", "with Y and X"),
    ],
)
@pytest.mark.parametrize("suffix", [".npy", ".tif"])
def test_axes_that_do_not_fit_are_refused(tmp_path, axes, words, suffix) -> None:
    path = tmp_path / f"a{suffix}"
    write_array(path, COLOR) if suffix == ".npy" else tifffile.imwrite(path, COLOR)
    with pytest.raises(ValueError, match=re.escape(words)):
        images(path, axes=axes)


def test_matlab_names_axes_in_its_own_order(tmp_path) -> None:
    path = tmp_path / "a.mat"
    scipy.io.savemat(path, {"a": COLOR})
    np.testing.assert_array_equal(images(path, 3), COLOR)
    assert taken(path, 3)[:2] == ("YXC", "lengths")
    np.testing.assert_array_equal(images(path, axes="YXZ"), np.moveaxis(COLOR, -1, 0))
    np.testing.assert_array_equal(images(path, axes="ZYX"), COLOR)


@pytest.mark.parametrize("kind", ["ome", "imagej", "shaped"])
def test_hyperstacks_have_the_axes_that_their_files_name(tmp_path, kind) -> None:
    path = tmp_path / ("a.ome.tif" if kind == "ome" else "a.tif")
    options = {"imagej": True} if kind == "imagej" else {"photometric": "minisblack"}
    tifffile.imwrite(path, HYPER, metadata={"axes": "TZCYX"}, **options)
    # A network of one channel gets every plane, one of four the planes of a pixel.
    np.testing.assert_array_equal(images(path), HYPER.reshape(-1, 21, 30))
    assert taken(path) == ("TZCYX", "the file", (("T", 2), ("Z", 3), ("C", 4)))
    want = np.moveaxis(HYPER, 2, -1).reshape(-1, 21, 30, 4)
    np.testing.assert_array_equal(images(path, 4), want)
    assert taken(path, 4) == ("TZCYX", "the file", (("T", 2), ("Z", 3)))
    # The user's word for the lengths 2, 3 and 4.
    named = images(path, 3, axes="TCZYX").reshape(2, 4, 21, 30, 3)
    np.testing.assert_array_equal(named, HYPER.transpose(0, 2, 3, 4, 1))


@pytest.mark.parametrize("order", ["XYZCT", "XYZTC", "XYCTZ", "XYCZT", "XYTCZ", "XYTZC"])
def test_every_order_of_ome(tmp_path, order) -> None:
    """Planes in any DimensionOrder, by TiffData one by one in another order than the pages."""
    axes = order[:1:-1] + "YX"
    path = tmp_path / "a.ome.tif"
    turned = HYPER.transpose(["TZCYX".index(axis) for axis in axes])
    tifffile.imwrite(path, turned, photometric="minisblack", metadata={"axes": axes})
    letters, by, _ = taken(path)
    assert (letters, by) == (axes, "the file")
    np.testing.assert_array_equal(images(path), turned.reshape(-1, 21, 30))


def test_ome_planes_are_where_its_notes_say(tmp_path) -> None:
    path = tmp_path / "a.ome.tif"
    planes = HYPER[0, :, 0]
    data = "".join(f'<TiffData IFD="{ifd}" FirstZ="{z}" PlaneCount="1"/>'
                   for ifd, z in enumerate((2, 0, 1)))  # fmt: skip
    text = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
        '<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="30" SizeY="21" '
        f'SizeC="1" SizeZ="3" SizeT="1">{data}</Pixels></Image></OME>'
    )
    with tifffile.TiffWriter(path) as writer:
        for ifd, z in enumerate((2, 0, 1)):
            writer.write(planes[z], description=text if ifd == 0 else None, metadata=None)
    np.testing.assert_array_equal(images(path), planes)
    missing = text.replace('SizeZ="3"', 'SizeZ="4"')
    with tifffile.TiffWriter(path) as writer:
        for ifd, z in enumerate((2, 0, 1)):
            writer.write(planes[z], description=missing if ifd == 0 else None, metadata=None)
    with pytest.raises(
        ValueError, match="lacks planes: 1 of 4 that it describes|3 pages are not 4"
    ):
        images(path)


def test_several_images_of_ome_are_refused_and_labels_left_out(tmp_path) -> None:
    path = tmp_path / "a.ome.tif"
    for name in ("second", "label image"):
        with tifffile.TiffWriter(path, ome=True) as writer:
            writer.write(COLOR, photometric="rgb", metadata={"Name": "first"})
            writer.write(COLOR[:9], photometric="rgb", metadata={"Name": name})
        if name == "second":
            with pytest.raises(ValueError, match=r"holds 2 images, first .*, second "):
                images(path, 3)
        else:
            np.testing.assert_array_equal(images(path, 3), COLOR)


def test_pages_named_as_channels_and_samples_named_as_slices(tmp_path) -> None:
    path = tmp_path / "a.tif"
    pages = np.moveaxis(COLOR, -1, 0)
    with tifffile.TiffWriter(path) as writer:
        for page in pages:
            writer.write(page, metadata=None, photometric="minisblack")
    assert taken(path) == ("NYX", "lengths", (("N", 3),))
    np.testing.assert_array_equal(images(path), pages)
    np.testing.assert_array_equal(images(path, 3, axes="CYX"), COLOR)
    # Three slices that an older writer took for the planes of a colour image.
    tifffile.imwrite(path, pages, photometric="rgb", planarconfig="separate", metadata=None)
    np.testing.assert_array_equal(images(path, 3), COLOR)
    np.testing.assert_array_equal(images(path, axes="ZYX"), pages)
    tifffile.imwrite(path, COLOR, photometric="rgb", metadata=None)
    np.testing.assert_array_equal(images(path, axes="YXZ"), pages)
    with pytest.raises(ValueError, match="rows and columns of a TIFF are those of its pages"):
        images(path, axes="ZYX")


# ---- pyramids -----------------------------------------------------------------------------------

LARGE = RNG.integers(0, 256, (90, 130), np.uint8)
LEVELS = [LARGE, LARGE[::2, ::2], LARGE[::4, ::4]]


def reduced_pages(path: Path) -> None:
    with tifffile.TiffWriter(path) as writer:
        for n, level in enumerate(LEVELS):
            writer.write(level, metadata=None, subfiletype=int(n > 0), tile=(16, 16))


def pages_below(path: Path, ome: bool = False) -> None:
    with tifffile.TiffWriter(path, ome=ome) as writer:
        notes = {"metadata": {"axes": "YX"} if ome else None}
        writer.write(LARGE, subifds=2, tile=(16, 16), **notes)
        for level in LEVELS[1:]:
            writer.write(level, metadata=None, subfiletype=1, tile=(16, 16))


def slide(path: Path) -> None:
    text = f"Aperio Image Library v12\r\n{LARGE.shape[1]}x{LARGE.shape[0]}|AppMag = 20|MPP = 0.5"
    with tifffile.TiffWriter(path) as writer:
        options = {"photometric": "rgb", "metadata": None, "software": None}
        for n, level in enumerate(np.stack([one] * 3, -1) for one in LEVELS):
            writer.write(level, tile=(16, 16), description=text, **options)
            if n == 0:
                writer.write(level[::8, ::8], description=text, **options)
        writer.write(np.stack([LARGE[:9]] * 3, -1), subfiletype=1,
                     description="label\r\nlabel 130x9", **options)  # fmt: skip


PYRAMIDS = {
    "pages.tif": reduced_pages, "below.tif": pages_below, "slide.svs": slide,
    "below.ome.tif": lambda path: pages_below(path, ome=True),
}  # fmt: skip


@pytest.mark.parametrize("name", PYRAMIDS)
def test_levels(tmp_path, name, capsys) -> None:
    path = tmp_path / name
    PYRAMIDS[name](path)
    for n, level in enumerate(LEVELS):
        np.testing.assert_array_equal(images(path, level=n), level)
    sizes = "0: 90 x 130 px, 1: 45 x 65 px, 2: 23 x 33 px"
    for n in (3, -1):
        with pytest.raises(ValueError, match=f"has no level {n}; it has {sizes}"):
            images(path, level=n)
    assert main(["info", str(path)]) == 0
    assert f"levels  {sizes}" in capsys.readouterr().out
    if name == "slide.svs":
        with open_image(str(path), 1, level=1) as reader:
            assert reader.calibration is not None
            assert (reader.calibration.height, reader.calibration.unit) == (1.0, "µm")


def test_formats_without_levels_refuse_them(tmp_path, capsys, membranes) -> None:
    np.save(tmp_path / "a.npy", LARGE)
    with pytest.raises(ValueError, match=r"a\.npy: has no level 1"):
        membranes.segment_file(tmp_path / "a.npy", tmp_path / "o.npy", level=1)
    reduced_pages(tmp_path / "b.tif")
    arguments = ["segment", "-e", "em-membranes", str(tmp_path / "b.tif"), "-o"]
    out = tmp_path / "out.tif"
    assert main([*arguments, str(out), "--level", "1", "--overlay"]) == 0
    np.testing.assert_array_equal(tifffile.imread(out), membranes.segment(LEVELS[1]))
    assert main([*arguments, str(out), "--level", "9"]) == 2
    assert "has no level 9; it has 0: 90 x 130 px" in capsys.readouterr().err


# ---- what info says -----------------------------------------------------------------------------


def test_info_tells_about_images_as_they_are_stored(tmp_path, capsys) -> None:
    def said(*arguments: str) -> dict[str, str]:
        assert main(["info", *arguments]) == 0
        return dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())

    Image.fromarray(COLOR).save(tmp_path / "a.png", dpi=(254, 254))
    told = said(str(tmp_path / "a.png"))
    assert told["images"] == "1 of 21 x 30 px, 3 channel(s), uint8"
    assert told["axes"] == "YXC, as the file says"
    assert told["pixel"].endswith(" in")
    tifffile.imwrite(tmp_path / "a.tif", HYPER.astype(np.int32), imagej=False,
                     photometric="minisblack", metadata={"axes": "TZCYX"})  # fmt: skip
    told = said(str(tmp_path / "a.tif"))
    assert told["images"] == "24 = 2 (T) x 3 (Z) x 4 (C) of 21 x 30 px, 1 channel(s), int32"
    told = said(str(tmp_path / "a.tif"), "--channels", "4")
    assert told["images"] == "6 = 2 (T) x 3 (Z) of 21 x 30 px, 4 channel(s), int32"
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["raw"], file["meta/notes"], file["meta/scale"] = COLOR, "by hand", 0.5
    assert said(f"{tmp_path}/a.h5:/raw")["format"] == "HDF5"
    # Numbers beside one image make no choice necessary.
    np.testing.assert_array_equal(images(tmp_path / "a.h5", 3), COLOR)
    for absent in ("a.jpg", "none.h5:/raw"):
        assert main(["info", str(tmp_path / absent)]) == 2
        assert "no such file" in capsys.readouterr().err
    assert main(["info", "no-such-engine"]) == 2
    assert "no engine of that name ships" in capsys.readouterr().err
