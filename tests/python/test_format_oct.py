"""Files of OCT devices: real ones of Heidelberg, others written by their published structure."""

from __future__ import annotations

import io
import re
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pyengine.cli import main
from pyengine.formats import Calibration, open_image
from pyengine.formats.registry import find_format, images_below

RANDOM = np.random.default_rng(0)
SCANS = RANDOM.integers(0, 256, (5, 30, 20), np.uint8)
DEEP = RANDOM.integers(0, 65536, (5, 30, 20)).astype(np.uint16)


def pages(source, **how) -> np.ndarray:
    with open_image(str(source), 1, **how) as reader:
        return np.stack([reader.rows(n, 0, reader.shape[0]) for n in range(reader.pages)])


# --- Heidelberg


def vol_scans(content: bytes) -> tuple[np.ndarray, list[int]]:
    """Reflectivities of a VOL, and where they lie."""
    width, count, height = struct.unpack_from("<3I", content, 12)
    slo_width, slo_height = struct.unpack_from("<2I", content, 48)
    at, places = 2048 + slo_width * slo_height, []
    for _ in range(count):
        (head,) = struct.unpack_from("<I", content, at + 12)
        places.append(at + head)
        at += head + 4 * width * height
    scans = [np.frombuffer(content, "<f4", width * height, at) for at in places]
    return np.stack(scans).reshape(count, height, width), places


def shown(reflectivity: np.ndarray) -> np.ndarray:
    """As Heidelberg displays it."""
    bright = (np.log(reflectivity.astype(float) + 2.44e-4) + 8.3) / 8.285
    return np.where(reflectivity > 3e38, 0, 255 * np.clip(bright, 0, 1))


def test_real_vol_is_shown_as_heidelberg_does(data, tmp_path) -> None:
    pytest.importorskip("eyepy", reason="the extra 'oct' is not installed")
    vol = data / "formats" / "vol" / "test_volume.vol"
    content = bytearray(vol.read_bytes())
    scans, places = vol_scans(bytes(content))
    assert abs(pages(vol) - shown(np.minimum(scans, 1)) * (scans < 3e38)).max() <= 1
    with open_image(str(vol), 1) as reader:
        assert (reader.pages, reader.shape, reader.dtype) == (10, (40, 50), np.uint8)
        across, along, down = struct.unpack_from("<3d", content, 24)
        assert reader.calibration == pytest.approx(Calibration(down, across, "mm", along))
        assert bytes(content[84:86]) == b"OD"
        assert reader.notes == {"laterality": "R"}
    # With reflectivities as an eye has them, and others that are missing.
    made = RANDOM.uniform(0, 1, scans.shape).astype(np.float32) ** 4
    made[:, :5] = np.finfo(np.float32).max
    for scan, at in zip(made, places, strict=True):
        content[at : at + scan.nbytes] = scan.tobytes()
    (tmp_path / "a.vol").write_bytes(content)
    assert abs(pages(tmp_path / "a.vol") - shown(made)).max() <= 1


def test_real_xml_export_is_its_images(data) -> None:
    pytest.importorskip("eyepy", reason="the extra 'oct' is not installed")
    folder = data / "formats" / "heyex_xml"
    text = (folder / "test_dummy.xml").read_text()
    names = [u.split("\\")[-1] for u in re.findall("<ExamURL>(.*)</ExamURL>", text)]
    want = [np.asarray(Image.open(folder / name)) for name in names if name.startswith("B")]
    np.testing.assert_array_equal(pages(folder / "test_dummy.xml"), np.stack(want))
    with open_image(str(folder / "test_dummy.xml"), 1) as reader:
        assert reader.notes == {"laterality": "R"}
        c = reader.calibration
        assert c.unit == "mm"
        assert c.depth == pytest.approx(0.03144444)
        assert (c.width, c.height) == pytest.approx((0.011819, 0.003872))


def test_an_export_is_one_image_of_a_folder(data, membranes, tmp_path) -> None:
    pytest.importorskip("eyepy", reason="the extra 'oct' is not installed")
    folder = tmp_path / "in" / "export"
    shutil.copytree(data / "formats" / "heyex_xml", folder)
    (folder / "B11.tif").unlink()  # which the export does not name
    (tmp_path / "in" / "notes.xml").write_text("<notes/>")
    arguments = ["segment", "-e", "em-membranes", str(tmp_path / "in"), "-o", str(tmp_path / "out")]
    assert main([*arguments, "--format", "npy"]) == 0
    made = [str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("[!.]*.*")]
    assert made == ["export/test_dummy.npy"]
    scans = pages(folder / "test_dummy.xml")
    want = np.stack([membranes.segment(np.ascontiguousarray(scan)) for scan in scans])
    np.testing.assert_array_equal(np.load(tmp_path / "out" / made[0]), want)
    with pytest.raises(ValueError, match="would replace the input"):
        membranes.segment_file(folder / "test_dummy.xml", folder / "B1.tif")


@pytest.mark.parametrize("url", ["../B1.tif", "/etc/passwd", "..", "C:\\x\\..\\..", "a/../../b"])
def test_exports_name_images_beside_them(data, tmp_path, url) -> None:
    pytest.importorskip("eyepy", reason="the extra 'oct' is not installed")
    text = (data / "formats" / "heyex_xml" / "test_dummy.xml").read_text()
    head, mark, rest = text.partition("<ExamURL>")
    (tmp_path / "a.xml").write_text(head + mark + url + rest[rest.index("</ExamURL>") :])
    with pytest.raises(ValueError, match="outside its own folder") as caught:
        pages(tmp_path / "a.xml")
    assert str(caught.value).startswith(str(tmp_path / "a.xml"))


def test_an_export_without_its_images_says_which(data, tmp_path) -> None:
    pytest.importorskip("eyepy", reason="the extra 'oct' is not installed")
    shutil.copy(data / "formats" / "heyex_xml" / "test_dummy.xml", tmp_path / "a.xml")
    with pytest.raises(ValueError, match=r"a\.xml: names the image '.*', which is not beside it"):
        pages(tmp_path / "a.xml")


# A value of E2E's own type: no sign, 6 bits of exponent and 10 of mantissa, the first bits last.
BSCAN, LOCALIZER = 35652097, 33620481


def e2e(path: Path, volumes: dict[int, np.ndarray], eye: str = "L") -> Path:
    """Volumes of uint16 by the numbers of their series, by the structure that LibE2E published."""
    ids = struct.Struct("<4iHHII")
    parts: list[tuple[tuple[int, ...], bytes]] = []  # patient, study, series, slice, ind, type

    def text(*words: str) -> bytes:
        return struct.pack("<2I", len(words), 256) + b"".join(
            w.encode("utf-16-le").ljust(256, b"\0") for w in words
        )

    def picture(kind: int, array: np.ndarray) -> bytes:
        head = struct.pack("<5I", array.nbytes, kind, array.size, *array.shape)
        return head + array.tobytes()

    for series, scans in volumes.items():
        count, height, width = scans.shape
        parts.append(((1, 1, series, -1, 0, 11), bytes(14) + eye.encode() + bytes(12)))
        parts.append(((1, 1, series, -1, 0, 9007), text("", "IR")))
        parts.append(
            ((1, 1, series, -1, 0, 1 << 30), picture(LOCALIZER, np.zeros((8, 8), np.uint8)))
        )
        for number, scan in enumerate(scans):
            meta = struct.pack(
                "<3I4fIfffI2fI4I2fI", 0, height, width, -4, number, 4, number, 0, 0, 0.0039, 0, 0,
                0, 0, 0, width, count, number, 3, 0, number, 0,
            )  # fmt: skip
            parts.append(((1, 1, series, 2 * number, 0, 10004), meta.ljust(428, b"\0")))
            parts.append(
                ((1, 1, series, 2 * number, 1, 1 << 30), picture(BSCAN, scan.astype("<u2")))
            )

    def head(mark: bytes, entries: int = 0, current: int = 0) -> bytes:
        return struct.pack("<12sI20s4I", mark, 100, bytes(20), entries, current, 0, 0)

    start = 36 + 52 + 52 + 44 * len(parts)
    folders, data = b"", b""
    for (patient, study, series, place, ind, kind), content in parts:
        own = ids.pack(patient, study, series, place, ind, 0, kind, 0)
        at = start + len(data)
        folders += struct.pack("<4I", 0, at, len(content), 0) + own
        data += struct.pack("<12s5I", b"MDbData", 0, 0, at, len(content), 0) + own + content
    version = struct.pack("<12sI20s", b"CMDb", 100, bytes(20))
    path.write_bytes(
        version + head(b"MDbMDir", 0, 36) + head(b"MDbDir", len(parts), 88) + folders + data
    )
    return path


def reflectivity(stored: np.ndarray) -> np.ndarray:
    """Values of E2E's own type."""
    return (1 + (stored & 1023) / 1024) * 2.0 ** ((stored >> 10).astype(int) - 63)


def test_e2e_volumes_are_read_by_the_numbers_of_their_series(tmp_path) -> None:
    pytest.importorskip("eyepy", reason="the extra 'oct' is not installed")
    one, other = (RANDOM.integers(0, 63 << 10, (n, 30, 20)).astype(np.uint16) for n in (4, 3))
    with open_image(str(e2e(tmp_path / "a.e2e", {7: one})), 1) as reader:
        assert (reader.pages, reader.shape, reader.notes) == (4, (30, 20), {"laterality": "L"})
        assert reader.calibration is None  # nobody knows where it is
    assert abs(pages(tmp_path / "a.e2e") - shown(reflectivity(one))).max() <= 1
    path = e2e(tmp_path / "b.e2e", {7: one, 9: other}, "R")
    with pytest.raises(ValueError, match=r"name the series as .*b\.e2e:/NAME; it holds 7, 9"):
        pages(path)
    assert abs(pages(f"{path}:/9") - shown(reflectivity(other))).max() <= 1


# --- Topcon


def chunk(name: bytes, content: bytes) -> bytes:
    return bytes([len(name)]) + name + struct.pack("<I", len(content)) + content


def fda(path: Path, scans: np.ndarray, codec: str = "JPEG2000", eye: int = 1) -> Path:
    count, height, width = scans.shape
    if scans.dtype == np.uint8:
        parts = []
        for scan in scans:
            file = io.BytesIO()
            Image.fromarray(scan).save(file, codec, **({"quality": 95} if codec == "JPEG" else {}))
            parts.append(struct.pack("<I", len(file.getvalue())) + file.getvalue())
        head = struct.pack("<B6I", 2, 0, 0, width, height, count, 0)
        pixels = chunk(b"@IMG_JPEG", head + b"".join(parts))
    else:
        head = struct.pack("<B4IBI", 2, width, height, 16, count, 0, scans.nbytes)
        pixels = chunk(b"@IMG_MOT_COMP_03", head + scans.astype("<u2").tobytes())
    sizes = struct.pack("<3I5d2B", 0, 0, 0, 6.0, 4.5, 2.6, 0, 0, 0, 0)
    capture = struct.pack("<BBI100s6H", eye, 2, 1, b"", 2026, 1, 1, 12, 0, 0)
    path.write_bytes(
        b"FOCTFDA" + struct.pack("<2I", 1, 0) + chunk(b"@PARAM_SCAN_04", sizes)
        + chunk(b"@CAPTURE_INFO_02", capture) + pixels + b"\0"
    )  # fmt: skip
    return path


@pytest.mark.parametrize("eye", ["R", "L"])
@pytest.mark.parametrize("scans", [SCANS, DEEP], ids=["compressed", "raw"])
def test_topcon_volumes_are_read(tmp_path, scans, eye) -> None:
    path = fda(tmp_path / "a.fda", scans, eye="RL".index(eye))
    np.testing.assert_array_equal(pages(path), scans)
    with open_image(str(path), 1) as reader:
        assert reader.dtype == scans.dtype
        assert reader.calibration == Calibration(0.0026, 6.0 / 20, "mm", 4.5 / 5)
        assert reader.notes == {"laterality": eye}
        np.testing.assert_array_equal(reader.rows(3, 7, 9), scans[3, 7:9])


@pytest.mark.parametrize("scans", [SCANS, DEEP], ids=["compressed", "raw"])
def test_topcon_volumes_are_those_of_oct_converter(tmp_path, monkeypatch, scans) -> None:
    readers = pytest.importorskip("oct_converter.readers", reason="oct-converter is not installed")
    # It calls what NumPy has no more.
    monkeypatch.setattr(
        np, "fromstring", lambda content, dtype: np.frombuffer(content, dtype), raising=False
    )
    path = fda(tmp_path / "a.fda", scans)
    volume = readers.FDA(path).read_oct_volume()
    np.testing.assert_array_equal(pages(path), np.stack(volume.volume))
    with open_image(str(path), 1) as reader:
        c = reader.calibration
        assert (c.width, c.depth, c.height) == pytest.approx(tuple(volume.pixel_spacing))
        assert reader.notes["laterality"] == volume.laterality


# --- Zeiss


@pytest.mark.parametrize(
    ("name", "shape"),
    [("P1_Macular Cube 20x5_1-1-2026_12-0-0_OS_sn1_cube_z.img", (5, 30, 20)),
     ("a.img", (200, 1024, 200)), ("OD 5.img", (5, 1024, 1024))],
)  # fmt: skip
def test_zeiss_cubes_are_turned_upright(tmp_path, name, shape) -> None:
    scans = RANDOM.integers(0, 256, shape, np.uint8)
    (tmp_path / name).write_bytes(scans[:, ::-1, ::-1].tobytes())
    with open_image(str(tmp_path / name), 1) as reader:
        assert (reader.pages, reader.shape) == (shape[0], shape[1:])
        assert reader.calibration is None  # the file says nothing
        eye = "L" if "OS" in name else "R" if "OD" in name else None
        assert reader.notes == ({"laterality": eye} if eye else {})
        for page in (0, shape[0] - 1):
            np.testing.assert_array_equal(reader.rows(page, 0, shape[1]), scans[page])


def test_other_files_called_img_are_not_zeiss(tmp_path) -> None:
    (tmp_path / "brain.img").write_bytes(bytes(200 * 200 * 1024))
    (tmp_path / "brain.hdr").write_bytes(bytes(348))
    assert find_format(tmp_path / "brain.img") is None
    assert list(images_below(tmp_path)) == []


# --- Bioptigen


def named(name: str, content: bytes = b"", length: int | None = None) -> bytes:
    key = name.encode()
    size = len(content) if length is None else length
    return struct.pack("<I", len(key)) + key + struct.pack("<I", size) + content


def bioptigen(path: Path, scans: np.ndarray) -> Path:
    count, height, width = scans.shape
    number, length = (lambda v: struct.pack("<I", v)), (lambda v: struct.pack("<d", v))
    fields = [
        ("FRAMECOUNT", number(count)), ("LINECOUNT", number(width)), ("LINELENGTH", number(height)),
        ("SAMPLEFORMAT", number(2)), ("DESCRIPTION", b"a volume\0"), ("XMIN", length(0)),
        ("XMAX", length(1)), ("XCAPTION", b"x\0"), ("YMIN", length(0)), ("YMAX", length(1)),
        ("YCAPTION", b"y\0"), ("SCANTYPE", number(1)), ("SCANDEPTH", length(2.1)),
        ("SCANLENGTH", length(6)), ("AZSCANLENGTH", length(6)), ("ELSCANLENGTH", length(4)),
        ("OBJECTDISTANCE", length(0)), ("SCANANGLE", length(0)), ("SCANS", number(1)),
        ("FRAMES", number(count)), ("DOPPLERFLAG", number(0)), ("CONFIG", bytes(500)),
    ]  # fmt: skip
    head = b"".join(named(*one) for one in fields)
    content = struct.pack("<IH", 0xD0B5A7D0, 0x102) + named("FRAMEHEADER", length=len(head)) + head
    content += bytes(4)
    for scan in scans:
        pixels = scan.T.astype("<u2").tobytes()
        frame = (
            named("FRAMEDATETIME", struct.pack("<8H", 2026, 1, 4, 1, 12, 0, 0, 0))
            + named("FRAMETIMESTAMP", length(0)) + named("FRAMELINES", number(width))
            + named("FRAMESAMPLES", pixels)
        )  # fmt: skip
        content += named("FRAMEDATA", length=len(frame)) + frame + bytes(4)
    path.write_bytes(content)
    return path


def test_bioptigen_volumes_are_read(tmp_path) -> None:
    path = bioptigen(tmp_path / "x_OD_V_6x4_0.OCT", DEEP)
    np.testing.assert_array_equal(pages(path), DEEP)
    with open_image(str(path), 1) as reader:
        assert reader.calibration == Calibration(2.1 / 30, 6 / 20, "mm", 4 / 5)
        assert reader.notes == {"laterality": "R"}


def test_bioptigen_volumes_are_those_of_oct_converter(tmp_path) -> None:
    readers = pytest.importorskip("oct_converter.readers", reason="oct-converter is not installed")
    path = bioptigen(tmp_path / "a.OCT", DEEP)
    found = [volume.volume for volume in readers.BOCT(path).read_oct_volume()]
    want = np.concatenate(found).transpose(0, 2, 1)
    np.testing.assert_array_equal(pages(path), want)


# --- results, and what is refused


def test_results_keep_spacing_and_side(membranes, tmp_path) -> None:
    path = fda(tmp_path / "a.fda", SCANS)
    want = np.stack([membranes.segment(scan) for scan in SCANS])
    membranes.segment_file(path, tmp_path / "a.tif")
    np.testing.assert_array_equal(pages(tmp_path / "a.tif", indices=True), want)
    membranes.segment_file(path, tmp_path / "a.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), want)
    for name, module in (("a.nrrd", "SimpleITK"), ("a.zarr", "zarr")):
        pytest.importorskip(module)
        membranes.segment_file(path, tmp_path / name)
        np.testing.assert_array_equal(pages(tmp_path / name), want)
        with open_image(str(tmp_path / name), 1) as reader:
            c = reader.calibration
            assert (c.height, c.width, c.depth) == pytest.approx((0.0026, 0.3, 0.9))
            assert reader.notes == {"laterality": "L"}


def cut(write):
    def make(path: Path) -> None:
        write(path)
        path.write_bytes(path.read_bytes()[:-100])

    return make


def other_size(path: Path) -> None:
    """The images of an FDA are larger than it says."""
    fda(path, SCANS)
    content = path.read_bytes()
    at = content.index(b"@IMG_JPEG") + 9 + 4 + 9
    path.write_bytes(content[:at] + struct.pack("<2I", 10, 10) + content[at + 8 :])


REFUSED = [
    (".fda", cut(lambda path: fda(path, SCANS)), "not a readable Topcon FDA file"),
    (".fda", cut(lambda path: fda(path, DEEP)), "not a readable Topcon FDA file"),
    (".fda", lambda path: path.write_bytes(b"FOCTFDA" + bytes(8)), "holds no B-scans"),
    (".fda", lambda path: path.write_bytes(b"hello"), "is no FDA file"),
    (".fda", other_size, "B-scan 0 is L, 30 x 20 px; the file says grey, 10 x 10"),
    (".img", lambda path: path.write_bytes(bytes(1000)), "1000 bytes are none of Cirrus's cubes"),
    (".img", lambda path: path.write_bytes(b""), "0 bytes are none of Cirrus's cubes"),
    (".oct", cut(lambda path: bioptigen(path, DEEP)), "not a readable Bioptigen OCT file"),
    (".oct", lambda path: path.write_bytes(b"hello"), "is no Bioptigen file"),
    (
        ".vol",
        lambda path: path.write_bytes(b"HSF-OCT-103" + bytes(50)),
        "not a readable Heidelberg",
    ),
    (".e2e", lambda path: path.write_bytes(b"CMDb" + bytes(50)), "not a readable Heidelberg"),
    (".xml", lambda path: path.write_bytes(b"<HEDX><BODY>"), "not a readable Heidelberg"),
]


@pytest.mark.parametrize(("suffix", "make", "words"), REFUSED)
def test_what_is_no_volume_is_refused_in_one_line(tmp_path, suffix, make, words) -> None:
    if suffix in (".vol", ".e2e", ".xml"):
        pytest.importorskip("eyepy", reason="the extra 'oct' is not installed")
    path = tmp_path / f"a{suffix}"
    make(path)
    with pytest.raises((ValueError, OSError), match=words) as caught:
        pages(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
