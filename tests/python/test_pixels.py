"""The pixels of many kinds of files, as independent writers wrote them.

A 1x1 identity network shows what is read; each kind reads right or is refused by name.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import imagecodecs
import numpy as np
import pytest
import scipy.io
import tifffile
import torch
from PIL import Image
from torch import nn

import pyengine
from pyengine.formats import open_image

RNG = np.random.default_rng(7)
HEIGHT, WIDTH = 37, 53
GREY = RNG.integers(0, 256, (HEIGHT, WIDTH), np.uint8)
COLOR = RNG.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
DEEP = RNG.integers(0, 65536, (HEIGHT, WIDTH), np.uint16)
DEEP_COLOR = RNG.integers(0, 65536, (HEIGHT, WIDTH, 3), np.uint16)
STACK = RNG.integers(0, 256, (5, HEIGHT, WIDTH), np.uint8)
# JPEG keeps what is smooth; large enough for several tiles.
SMOOTH = (np.add.outer(np.arange(150), np.arange(130)) % 256).astype(np.uint8)
SMOOTH_COLOR = np.stack([SMOOTH, SMOOTH[::-1], 255 - SMOOTH // 2], -1)
GREY_AS_COLOR = np.stack([GREY] * 3, -1)


@dataclass(frozen=True)
class Row:
    """One file of the table."""

    name: str
    write: Callable[[Path], object]
    want: np.ndarray | str
    """Pixels as (H, W), (H, W, 3) or, of stacks, with one axis more in front; else words."""
    channels: int = 1
    stacked: bool = False
    source: str = ""
    """After the path: the name of a data set."""


ROWS: list[Row] = []


def add(
    name: str, write: Callable[[Path], object], want: Any, channels: int = 1, **more: Any
) -> None:
    ROWS.append(Row(name, write, want, channels, **more))


def with_alpha(image: np.ndarray, alpha: Any) -> np.ndarray:
    return np.dstack([image, np.broadcast_to(alpha, image.shape[:2]).astype(image.dtype)])


SEE_THROUGH = np.full((HEIGHT, WIDTH), 255)
SEE_THROUGH[3, 4] = 254

# ---- arrays -------------------------------------------------------------------------------------


def arrays() -> list[tuple[str, np.ndarray, Any, int, bool]]:
    """(what, array, pixels or words, channels, whether it is a stack)."""
    rows: list[tuple[str, np.ndarray, Any, int, bool]] = [
        ("grey", GREY, GREY, 1, False),
        ("one channel", GREY[..., None], GREY, 1, False),
        ("stack", STACK, STACK, 1, True),
        ("stack of one channel", STACK[..., None], STACK, 1, True),
        ("stack, channel in front", STACK[:, None], STACK, 1, True),
        ("colour", COLOR, COLOR, 3, False),
        ("colour, channels in front", np.moveaxis(COLOR, -1, 0), COLOR, 3, False),
        ("stack of colour", np.stack([COLOR] * 2), np.stack([COLOR] * 2), 3, True),
        (
            "stack of colour, channels in front",
            np.moveaxis(np.stack([COLOR] * 2), -1, 1),
            np.stack([COLOR] * 2),
            3,
            True,
        ),
        ("colour for a grey network", COLOR, "3 channels that differ", 1, False),
        ("grey for a colour network", GREY, "the network needs 3", 3, False),
        ("grey as colour", GREY_AS_COLOR, GREY, 1, False),
        ("opaque RGBA", with_alpha(COLOR, 255), COLOR, 3, False),
        ("opaque RGBA of grey", with_alpha(GREY_AS_COLOR, 255), GREY, 1, False),
        ("opaque RGBA of 16 bits", with_alpha(DEEP_COLOR, 65535), DEEP_COLOR, 3, False),
        ("opaque RGBA of floats", with_alpha(COLOR.astype(np.float32), 1), COLOR, 3, False),
        ("grey and alpha", with_alpha(GREY, 255), GREY, 1, False),
        ("RGBA", with_alpha(COLOR, SEE_THROUGH), "alpha channel that is not opaque", 3, False),
        ("grey and thin alpha", with_alpha(GREY, SEE_THROUGH), "not opaque", 1, False),
        ("five axes", GREY[None, None, None], "is not (H, W)", 1, False),
        ("one axis", GREY[0], "is not (H, W)", 1, False),
        ("complex", GREY.astype(np.complex64), "complex64 are no pixels", 1, False),
        ("bool", GREY > 99, GREY > 99, 1, False),
        ("int8", GREY.view(np.int8), GREY.view(np.int8), 1, False),
        ("int16", DEEP.view(np.int16), DEEP.view(np.int16), 1, False),
        ("float64 that float32 holds", GREY / 256, GREY / 256, 1, False),
        ("float64", GREY + 0.1, "would change in float32", 1, False),
        ("float64 beyond float32", np.full((9, 8), 1e300), "1e+300 would change", 1, False),
        ("float16", GREY.astype(np.float16), GREY, 1, False),
        ("large int32", DEEP.astype(np.int32) * 257 + 1, "would change in float32", 1, False),
        ("largest uint64", np.full((9, 8), 2**64 - 1, np.uint64), "would change", 1, False),
        ("smallest int64", np.full((9, 8), -(2**63), np.int64), "would change", 1, False),
    ]
    for kind in ("uint16", "uint32", "int32", "int64", "uint64", "float32", "float64"):
        for order in "<>":
            dtype = np.dtype(kind).newbyteorder(order)
            rows.append((f"{order}{kind}", DEEP.astype(dtype), DEEP, 1, False))
    return rows


def write_h5(array: np.ndarray, **options: Any) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        with h5py.File(path, "w") as file:
            file.create_dataset("raw", data=array, **options)

    return write


for what, array, want, channels, stacked in arrays():
    add(f"{what}.npy", lambda p, a=array: np.save(p, a), want, channels, stacked=stacked)
    add(f"{what}.h5", write_h5(array), want, channels, stacked=stacked)
add("Fortran order.npy", lambda p: np.save(p, np.asfortranarray(STACK)), STACK, stacked=True)
add("text.npy", lambda p: np.save(p, np.array([["a", "b"]])), "<U1 are no pixels")
for options in ({"compression": "gzip"}, {"chunks": (7, 9), "shuffle": True}, {"fletcher32": True}):
    add(f"{'-'.join(options)}.h5", write_h5(GREY, **options), GREY)

# ---- TIFF ---------------------------------------------------------------------------------------


def tiff(array: np.ndarray, **options: Any) -> Callable[[Path], object]:
    return lambda path: tifffile.imwrite(path, array, **options)


def as_tifffile_reads(write: Callable[[Path], object], folder: Path) -> np.ndarray:
    path = folder / "independent.tif"
    write(path)
    return tifffile.imread(path)


class Independent:
    """Pixels that tifffile reads in a file of its own."""

    def __init__(self, write: Callable[[Path], object]) -> None:
        self.write = write


CUTS = {"strips": {"rowsperstrip": 16}, "tiles": {"tile": (32, 48)}, "whole": {}}
for cut, layout in CUTS.items():
    for kind, image, photometric, channels in (
        ("grey", SMOOTH, "minisblack", 1),
        ("RGB", SMOOTH_COLOR, "rgb", 3),
        ("YCbCr", SMOOTH_COLOR, "ycbcr", 3),
    ):
        for sampling in ((1, 1), (2, 2)) if kind == "YCbCr" else (None,):
            if cut == "strips" and sampling == (2, 2):
                layout = {"rowsperstrip": 32}
            write = tiff(
                image, photometric=photometric, compression="jpeg", subsampling=sampling, **layout
            )
            add(f"JPEG {kind} {sampling} {cut}.tif", write, Independent(write), channels)
    for compression in ("lzw", "deflate", "zstd", "packbits", "lzma", "jpeg2000", "webp"):
        image, channels = (COLOR, 3) if compression in ("jpeg2000", "webp") else (GREY, 1)
        write = tiff(
            image, photometric="rgb" if channels == 3 else "minisblack", compression=compression,
            **layout,
        )  # fmt: skip
        add(f"{compression} {cut}.tif", write, Independent(write), channels)
    for order in "<>":
        write = tiff(DEEP, byteorder=order, compression="lzw", predictor=True, **layout)
        add(f"predictor {order} {cut}.tif", write, DEEP)
    add(
        f"planes of colour {cut}.tif",
        tiff(np.moveaxis(COLOR, -1, 0), photometric="rgb", planarconfig="separate", **layout),
        COLOR, 3,
    )  # fmt: skip
    add(
        f"RGBA {cut}.tif",
        tiff(with_alpha(COLOR, 255), photometric="rgb", extrasamples=["unassalpha"], **layout),
        COLOR, 3,
    )  # fmt: skip
    add(f"WhiteIsZero {cut}.tif", tiff(GREY, photometric="miniswhite", **layout), 255 - GREY)
    add(f"grey as RGB {cut}.tif", tiff(GREY_AS_COLOR, photometric="rgb", **layout), GREY)

for order in "<>":
    for kind in ("uint16", "int16", "int32", "uint32", "float32", "float64"):
        add(
            f"{kind} {order}.tif",
            tiff(DEEP.astype(np.int16 if kind == "int16" else kind), byteorder=order),
            DEEP.view(np.int16) if kind == "int16" else DEEP,
        )
add("WhiteIsZero of 16 bits.tif", tiff(DEEP, photometric="miniswhite"), 65535 - DEEP)
add("one bit.tif", tiff(GREY > 99, photometric="minisblack"), 255 * (GREY > 99))
add("one bit, white is zero.tif", tiff(GREY > 99, photometric="miniswhite"), 255 * (GREY <= 99))
add("Pillow's one bit.tif", lambda p: Image.fromarray(GREY > 99).save(p), 255 * (GREY > 99))
add(
    "fax.tif",
    lambda p: Image.fromarray(GREY > 99).save(p, compression="group4"),
    255 * (GREY > 99),
)
add("float WhiteIsZero.tif", tiff(GREY.astype(np.float32), photometric="miniswhite"), "WhiteIsZero")
for photometric, words in {
    "cielab": "CIELAB", "icclab": "ICCLAB", "ycbcr": "YCBCR without JPEG", "linear_raw": "LINEAR_RAW"
}.items():  # fmt: skip
    add(f"{photometric}.tif", tiff(COLOR, photometric=photometric), words, 3)
add(
    "CMYK.tif",
    tiff(with_alpha(COLOR, 255), photometric="separated"),
    "SEPARATED",
    3,
)
PALETTE = RNG.integers(0, 256, (3, 256), np.uint16) * 257
add(
    "palette.tif",
    tiff(GREY, photometric="palette", colormap=PALETTE),
    (PALETTE.T >> 8)[GREY],
    3,
)
add(
    "Pillow's palette.tif",
    lambda p: Image.fromarray(COLOR).quantize(64).save(p),
    np.asarray(Image.fromarray(COLOR).quantize(64).convert("RGB")),
    3,
)
for value in (3, 6):
    add(
        f"orientation {value}.tif",
        tiff(GREY, extratags=[(274, "H", 1, value, True)]),
        f"Orientation tag is {value}",
    )
for order in "<>":
    for kind, volume in (
        ("", STACK),
        (" of 16 bits", DEEP[None] // np.arange(1, 4)[:, None, None]),
    ):
        volume = volume.astype(np.uint8 if not kind else np.uint16)
        add(f"truncated{kind} {order}.tif",
            tiff(volume, truncate=True, photometric="minisblack", byteorder=order),
            volume, stacked=True)  # fmt: skip


def imagej_of_one_page(volume: np.ndarray, byteorder: str = ">") -> Callable[[Path], object]:
    """As ImageJ writes stacks over 4 GB: one page, and the planes in a row."""

    def write(path: Path) -> None:
        text = f"ImageJ=1.54f\nimages={len(volume)}\nslices={len(volume)}\n"
        with tifffile.TiffWriter(path, byteorder=byteorder) as writer:
            writer.write(
                volume[0], description=text, metadata=None, software=None,
                photometric="rgb" if volume.ndim == 4 else "minisblack",
            )  # fmt: skip
        with path.open("ab") as file:
            with tifffile.TiffFile(path) as opened:
                page = opened.pages[0]
                end = page.dataoffsets[0] + page.nbytes
            assert file.tell() == end
            file.write(volume[1:].astype(volume.dtype.newbyteorder(byteorder)).tobytes())

    return write


add("ImageJ of one page.tif", imagej_of_one_page(STACK), STACK, stacked=True)
DEEP_STACK = np.stack([DEEP, DEEP // 2, DEEP // 3])
add("ImageJ of one page, 16 bits.tif", imagej_of_one_page(DEEP_STACK), DEEP_STACK, stacked=True)
COLOR_STACK = np.stack([COLOR, COLOR[::-1]])
add("ImageJ of one page, colour.tif", imagej_of_one_page(COLOR_STACK), COLOR_STACK, 3, stacked=True)
add("ImageJ.tif", tiff(STACK, imagej=True), STACK, stacked=True)
add("OME.tif", tiff(STACK, ome=True, photometric="minisblack"), STACK, stacked=True)
add("a volume in one page.tif", tiff(STACK, volumetric=True, tile=(16, 16, 16)), "are not (H, W)")


def pages(*images: tuple[np.ndarray, dict[str, Any]]) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        with tifffile.TiffWriter(path) as writer:
            for image, options in images:
                writer.write(image, **{"metadata": None, "photometric": "minisblack", **options})

    return write


HALF = GREY[::2, ::2]
add("pyramid of pages.tif", pages((GREY, {}), (HALF, {"subfiletype": 1})), GREY)
add("pyramid below a page.tif", pages((GREY, {"subifds": 1}), (HALF, {"subfiletype": 1})), GREY)
add(
    "stack with previews.tif",
    pages(*((i, o) for p in STACK for i, o in ((p, {}), (p[::4, ::4], {"subfiletype": 1})))),
    STACK,
    stacked=True,
)
add("mask first.tif", pages((HALF > 9, {"subfiletype": 4}), (GREY, {})), GREY)
add("unequal pages.tif", pages((GREY, {}), (HALF, {})), "page 1 is uint8 (19, 27), the first")
add("unequal dtypes.tif", pages((GREY, {}), (DEEP, {})), "page 1 is uint16 (37, 53), the first")
add("previews only.tif", pages((GREY, {"subfiletype": 1})), "no page of full size")


def slide(path: Path) -> None:
    """As Aperio's: a pyramid, between its levels an overview, behind them label and macro."""
    text = f"Aperio Image Library v12\r\n{SMOOTH.shape[1]}x{SMOOTH.shape[0]}|AppMag = 20"
    options = {"photometric": "rgb", "metadata": None, "software": None}
    with tifffile.TiffWriter(path) as writer:
        writer.write(SMOOTH_COLOR, tile=(32, 32), description=text, **options)
        writer.write(SMOOTH_COLOR[::3, ::3], description=text, **options)
        writer.write(SMOOTH_COLOR[::2, ::2], tile=(32, 32), description=text, **options)
        writer.write(COLOR[:9], subfiletype=1, description="label\r\nlabel 53x9", **options)
        writer.write(COLOR[9:], subfiletype=9, description="macro\r\nmacro 53x9", **options)


add("slide.tif", slide, SMOOTH_COLOR, 3)

# ---- PNG, JPEG and others -----------------------------------------------------------------------


def png(array: np.ndarray) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(imagecodecs.png_encode(array))


def pillow(image: Image.Image | np.ndarray, **options: Any) -> Callable[[Path], object]:
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    return lambda path: image.save(path, **options)


add("grey.png", png(GREY), GREY)
add("colour.png", png(COLOR), COLOR, 3)
add("16 bits.png", png(DEEP), DEEP)
add("16 bits, colour.png", png(DEEP_COLOR), DEEP_COLOR, 3)
add("16 bits, grey as colour.png", png(np.stack([DEEP] * 3, -1)), DEEP)
add("16 bits, opaque RGBA.png", png(with_alpha(DEEP_COLOR, 65535)), DEEP_COLOR, 3)
add("16 bits, RGBA.png", png(with_alpha(DEEP_COLOR, SEE_THROUGH * 257)), "not opaque", 3)
add("16 bits, grey and alpha.png", png(with_alpha(DEEP, 65535)), DEEP)
add("16 bits, Pillow's.png", pillow(DEEP), DEEP)
add("grey and alpha.png", png(with_alpha(GREY, 255)), GREY)
add("RGBA.png", png(with_alpha(COLOR, SEE_THROUGH)), "not opaque", 3)
add("opaque RGBA.png", png(with_alpha(COLOR, 255)), COLOR, 3)
add("one bit.png", pillow(GREY > 99), 255 * (GREY > 99))
add("grey with a transparent value.png", pillow(GREY, transparency=int(GREY[0, 0])), "not opaque")
PALETTED = Image.fromarray(COLOR).quantize(100)
add("palette.png", pillow(PALETTED), np.asarray(PALETTED.convert("RGB")), 3)
add("palette with transparency.png", pillow(PALETTED, transparency=int(np.asarray(PALETTED)[0, 0])),
    "not opaque", 3)  # fmt: skip
FRAMES = [Image.fromarray(np.asarray(f)) for f in STACK]
for suffix in ("gif", "png", "webp"):
    add(
        f"animation.{suffix}",
        pillow(FRAMES[0], save_all=True, append_images=FRAMES[1:], lossless=True),
        "animation of 5 frames",
        3 if suffix == "webp" else 1,
    )
add("still.gif", pillow(GREY), GREY)
add("still.webp", pillow(COLOR, lossless=True), COLOR, 3)
add("grey.bmp", pillow(GREY), GREY)
add("colour.bmp", pillow(COLOR), COLOR, 3)
add("grey.pgm", pillow(GREY), GREY)
add("colour.ppm", pillow(COLOR), COLOR, 3)


def pnm(magic: str, maximum: int, array: np.ndarray) -> Callable[[Path], object]:
    head = f"{magic}\n# by hand\n{array.shape[1]} {array.shape[0]}\n{maximum}\n".encode()
    return lambda path: path.write_bytes(head + array.astype(">u2").tobytes())


add("16 bits.pgm", pnm("P5", 65535, DEEP), DEEP)
add(
    "4 bits.pgm",
    lambda p: p.write_bytes(b"P5\n53 37\n15\n" + (GREY % 16).tobytes()),
    GREY % 16 * 17,
)
add("4 bits.tif", tiff(GREY % 16, bitspersample=4), GREY % 16)
add("4 bits, white is zero.tif", tiff(GREY % 16, bitspersample=4, photometric="miniswhite"),
    15 - GREY % 16)  # fmt: skip
add("12 bits.tif", tiff(DEEP % 4096, bitspersample=12), DEEP % 4096)
COLOR_PLANES = RNG.integers(0, 256, (2, 3, HEIGHT, WIDTH), np.uint8)
add(
    "ImageJ hyperstack.tif",
    tiff(COLOR_PLANES, imagej=True, metadata={"axes": "ZCYX"}),
    COLOR_PLANES.reshape(-1, HEIGHT, WIDTH),
    stacked=True,
)
add("ASCII.pgm", lambda p: p.write_bytes(b"P2\n3 2\n255\n1 2 3\n4 5 6\n"), [[1, 2, 3], [4, 5, 6]])
add("CMYK by Pillow.tif", pillow(Image.fromarray(COLOR).convert("CMYK")), "SEPARATED", 3)
add("JPEG by Pillow.tif", pillow(SMOOTH_COLOR, compression="jpeg"),
    Independent(pillow(SMOOTH_COLOR, compression="jpeg")), 3)  # fmt: skip
add("pages by Pillow.tif", pillow(FRAMES[0], save_all=True, append_images=FRAMES[1:]), STACK,
    stacked=True)  # fmt: skip
add("12 bits.pgm", pnm("P5", 4095, DEEP % 4096), "values up to 4095")
add("16 bits.ppm", pnm("P6", 65535, DEEP_COLOR), "values up to 65535", 3)
add("CMYK.jpg", pillow(Image.fromarray(COLOR).convert("CMYK")), "pixels are CMYK", 3)


def jpeg(path: Path) -> None:
    path.write_bytes(imagecodecs.jpeg_encode(SMOOTH, level=95))


add("grey.jpg", jpeg, imagecodecs.jpeg_decode(imagecodecs.jpeg_encode(SMOOTH, level=95)))


def turned(value: int, image: np.ndarray, **options: Any) -> Callable[[Path], object]:
    exif = Image.Exif()
    exif[274] = value
    return pillow(image, exif=exif, **options)


# By the standard: where row 0 and column 0 of what is stored are to be seen.
TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1],
    5: lambda a: a.T, 6: lambda a: a.T[:, ::-1], 7: lambda a: a.T[::-1, ::-1],
    8: lambda a: a.T[::-1],
}  # fmt: skip
for value, turn in TURNS.items():
    add(f"orientation {value}.png", turned(value, GREY), turn(GREY))
add("orientation, 16 bits.png", turned(6, DEEP), "not stored upright")


# ---- archives of NumPy, JPEG 2000 ----------------------------------------------------------------


def npz(*arrays: np.ndarray, compressed: bool = False) -> Callable[[Path], object]:
    save = np.savez_compressed if compressed else np.savez
    return lambda path: save(path, **{f"a{n}": array for n, array in enumerate(arrays)})


add("one.npz", npz(GREY), GREY)
add("compressed.npz", npz(STACK, compressed=True), STACK, stacked=True)
add("Fortran order.npz", npz(np.asfortranarray(COLOR)), COLOR, 3)
add("two.npz", npz(GREY, DEEP), "two.npz:/NAME; it holds a0, a1")
add("named.npz", npz(GREY, DEEP), DEEP, source=":/a1")
add("objects.npz", npz(np.array([[None]])), "Python objects")
add("no ZIP.npz", lambda p: np.save(p.open("wb"), GREY), GREY)


def jpeg2000(array: np.ndarray, **options: Any) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(imagecodecs.jpeg2k_encode(array, **options))


for suffix in ("jp2", "j2k"):
    kind = {"codecformat": suffix}
    add(f"grey.{suffix}", jpeg2000(GREY, **kind), GREY)
    add(f"16 bits.{suffix}", jpeg2000(DEEP, **kind), DEEP)
    add(f"colour.{suffix}", jpeg2000(COLOR, **kind), COLOR, 3)
    add(f"16 bits, colour.{suffix}", jpeg2000(DEEP_COLOR, **kind), DEEP_COLOR, 3)
    add(f"12 bits.{suffix}", jpeg2000(DEEP % 4096, bitspersample=12, **kind), DEEP % 4096)
    add(f"signed.{suffix}", jpeg2000(DEEP.view(np.int16), **kind), DEEP.view(np.int16))
add("Pillow's grey.jp2", lambda p: Image.fromarray(GREY).save(p), GREY)
add("Pillow's colour.jp2", lambda p: Image.fromarray(COLOR).save(p), COLOR, 3)
add("Pillow's RGBA.jp2", lambda p: Image.fromarray(with_alpha(COLOR, 255)).save(p), COLOR, 3)
add("Pillow's 16 bits.jp2", lambda p: Image.fromarray(DEEP).save(p), DEEP)
LOSSY = imagecodecs.jpeg2k_encode(SMOOTH_COLOR, level=40)
add("lossy.jp2", lambda p: p.write_bytes(LOSSY), imagecodecs.jpeg2k_decode(LOSSY), 3)
add("sYCC.jp2", jpeg2000(COLOR, colorspace="SYCC"), "its colours are sYCC", 3)

# ---- names that say something else than the content ----------------------------------------------

add("a PNG.tif", lambda p: Image.fromarray(GREY).save(p, format="PNG"), GREY)
add(
    "a TIFF.png",
    lambda p: tifffile.imwrite(p, STACK, photometric="minisblack"),
    STACK,
    stacked=True,
)
add("a JPEG.png", lambda p: p.write_bytes(imagecodecs.jpeg_encode(SMOOTH, level=95)),
    imagecodecs.jpeg_decode(imagecodecs.jpeg_encode(SMOOTH, level=95)))  # fmt: skip
add("HDF5.npy", write_h5(GREY), GREY)
add("an array.jpg", lambda p: p.write_bytes(npy_bytes(DEEP)), DEEP)
add("a slide.tif", slide, SMOOTH_COLOR, 3)
add("a slide.svs", slide, SMOOTH_COLOR, 3)
add("TIFF without a suffix", tiff(DEEP), DEEP)
add("BigTIFF.tif", tiff(DEEP, bigtiff=True), DEEP)
add("text.png", lambda p: p.write_text("<html>"), "not a readable image")
add("text.tif", lambda p: p.write_text("<html>"), "not a readable TIFF")
add("text.mat", lambda p: p.write_text("<html>"), "not a readable MATLAB")
add("text.jp2", lambda p: p.write_text("<html>"), "not a readable JPEG 2000")


def npy_bytes(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


# ---- MATLAB -------------------------------------------------------------------------------------


def matlab_5(array: np.ndarray, **more: Any) -> Callable[[Path], object]:
    return lambda path: scipy.io.savemat(path, {"image": array, **more})


def matlab_73(array: np.ndarray, kind: str = "", name: str = "image") -> Callable[[Path], object]:
    """As MATLAB writes: axes in reverse, the class as an attribute, a first block of its own."""

    def write(path: Path) -> None:
        with h5py.File(path, "w", userblock_size=512) as file:
            data = file.create_dataset(name, data=array.T)
            data.attrs["MATLAB_class"] = np.bytes_(kind or array.dtype.name)
            file.create_dataset("#refs#/a", data=np.zeros(2, np.uint64))
        with path.open("r+b") as file:
            file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")

    return write


MATLAB_STACK = np.moveaxis(STACK, 0, -1)  # (H, W, N), as MATLAB keeps volumes
for version, write_matlab in (("5", matlab_5), ("7.3", matlab_73)):
    name = f"version {version}.mat"
    add(f"grey, {name}", write_matlab(GREY), GREY)
    add(f"named, {name}", write_matlab(GREY), GREY, source=":/image")
    add(f"16 bits, {name}", write_matlab(DEEP), DEEP)
    add(f"colour, {name}", write_matlab(COLOR), COLOR, 3)
    add(f"colour for grey, {name}", write_matlab(COLOR), "3 channels that differ")
    add(f"stack, {name}", write_matlab(MATLAB_STACK), STACK, stacked=True)
    add(f"stack of colour, {name}", write_matlab(np.moveaxis(np.stack([COLOR] * 2), 0, -1)),
        np.stack([COLOR] * 2), 3, stacked=True)  # fmt: skip
    add(f"absent, {name}", write_matlab(GREY), "name the array" if version == "5" else "name the",
        source=":/other")  # fmt: skip
    double = GREY.astype(np.float64)
    add(f"double, {name}", matlab_73(double, "double") if version == "7.3" else matlab_5(double),
        GREY)  # fmt: skip
add("logical, 7.3.mat", matlab_73((GREY > 9).view(np.uint8), "logical"), GREY > 9)
add("as HDF5.h5", matlab_73(GREY), GREY)
add("char, 7.3.mat", matlab_73(DEEP, "char"), "class char")
add("compressed.mat", lambda p: scipy.io.savemat(p, {"i": GREY}, do_compression=True), GREY)
add("with text.mat", matlab_5(GREY, text="by hand"), GREY)
add("two.mat", matlab_5(GREY, mask=GREY > 9), "it holds image, mask")
add("plain HDF5.mat", write_h5(GREY), GREY)


# ---- the table ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def identity(tmp_path_factory) -> dict[int, pyengine.Engine]:
    """By channels: networks whose first outputs are their inputs."""
    folder = tmp_path_factory.mktemp("identity")
    found = {}
    for channels in (1, 3):
        network = nn.Conv2d(channels, channels + 1, 1)
        with torch.no_grad():
            network.weight.copy_(torch.eye(channels + 1, channels)[..., None, None])
            network.bias.zero_()
        path = folder / f"{channels}.pyengine"
        pyengine.build(network.eval(), path, sample_shape=(1, channels, 8, 8))
        found[channels] = pyengine.Engine(path, threads=1)
    return found


def test_the_table_is_long_and_its_names_are_distinct() -> None:
    names = [row.name for row in ROWS]
    assert len(set(names)) == len(names) >= 150


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_pixels(identity, tmp_path, row: Row) -> None:
    path, out = tmp_path / row.name, tmp_path / "out.npy"
    row.write(path)

    def segment() -> None:
        identity[row.channels].segment_file(f"{path}{row.source}", out, output="logits", tile=16)

    if isinstance(row.want, str):
        with pytest.raises((ValueError, TypeError, OSError)) as caught:
            segment()
        assert row.want in str(caught.value)
        assert "\n" not in str(caught.value)
        assert not out.exists()
        return
    segment()
    want = row.want
    if isinstance(want, Independent):
        want = as_tifffile_reads(want.write, tmp_path)
    got = np.moveaxis(np.load(out)[..., : row.channels, :, :], -3, -1)
    got = got[..., 0] if row.channels == 1 else got
    assert got.ndim == np.ndim(want)
    np.testing.assert_array_equal(got, want)


def test_old_matlab_files_without_scipy_name_the_extra(identity, tmp_path, monkeypatch) -> None:
    matlab_5(GREY)(tmp_path / "a.mat")
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(ValueError, match=r"a\.mat: .*pip install \"pyengine\[matlab\]\""):
        identity[1].segment_file(tmp_path / "a.mat", tmp_path / "out.npy")


def test_wide_matlab_arrays_are_read_by_rows(tmp_path, monkeypatch) -> None:
    matlab_73(DEEP)(tmp_path / "a.mat")
    with open_image(str(tmp_path / "a.mat"), 1) as reader:
        np.testing.assert_array_equal(reader.rows(0, 5, 9), DEEP[5:9])
