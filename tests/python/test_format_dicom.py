"""DICOM: files as devices write them, real ones, series, and Segmentations that refer to them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pyengine.cli import main
from pyengine.formats import open_image
from pyengine.formats.volume import read_volume

pydicom = pytest.importorskip("pydicom", reason="the extra 'dicom' is not installed")
hd = pytest.importorskip("highdicom", reason="the extra 'dicom' is not installed")

import dicom_files as files  # noqa: E402  (needs pydicom)
from pydicom import uid  # noqa: E402

RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 256, (40, 51), np.uint8)
COLOUR = RANDOM.integers(0, 256, (40, 51, 3), np.uint8)
DEEP = RANDOM.integers(0, 4096, (40, 51)).astype(np.uint16)


def pages(path: Path, channels: int = 1, **how) -> np.ndarray:
    with open_image(str(path), channels, **how) as reader:
        return np.stack([reader.rows(n, 0, reader.shape[0]) for n in range(reader.pages)])


def page(path: Path, channels: int = 1, **how) -> np.ndarray:
    (one,) = pages(path, channels, **how)
    return one


# --- what values mean


PALETTE = RANDOM.integers(0, 256, (256, 3), np.uint16)


def palette(entries: np.ndarray, bits: int = 16) -> dict:
    names = ("Red", "Green", "Blue")
    dtype = np.uint16 if bits == 16 else np.uint8
    lut = {f"{n}PaletteColorLookupTableData": entries[:, i].astype(dtype).tobytes()
           for i, n in enumerate(names)}  # fmt: skip
    descriptors = {f"{n}PaletteColorLookupTableDescriptor": [256, 0, bits] for n in names}
    return {"PhotometricInterpretation": "PALETTE COLOR", **lut, **descriptors}


SIGNED = (DEEP.astype(np.int32) - 2048).astype(np.int16)
VALUES = {
    "grey": (GREY, {}, GREY),
    "deep": (DEEP, dict(BitsStored=12), DEEP),
    "signed": (SIGNED, {}, SIGNED),
    "overlay in unused bits": (DEEP | 0x8000, dict(BitsStored=12), DEEP),
    "inverted": (GREY, dict(PhotometricInterpretation="MONOCHROME1"), 255 - GREY),
    "inverted 12 bits": (
        DEEP, dict(PhotometricInterpretation="MONOCHROME1", BitsStored=12), 4095 - DEEP,
    ),
    "inverted signed": (
        SIGNED, dict(PhotometricInterpretation="MONOCHROME1"), -1 - SIGNED.astype(np.int32),
    ),
    "inverted and scaled by 1": (
        GREY, dict(PhotometricInterpretation="MONOCHROME1", RescaleSlope=1, RescaleIntercept=0),
        255 - GREY,
    ),
    "Hounsfield": (
        DEEP, dict(RescaleSlope=1, RescaleIntercept=-1024), DEEP.astype(np.float32) - 1024,
    ),
    "scaled": (
        DEEP, dict(RescaleSlope="0.37", RescaleIntercept="1.5"),
        (DEEP * 0.37 + 1.5).astype(np.float32),
    ),
    "a window is for display": (DEEP, dict(WindowCenter=40, WindowWidth=80), DEEP),
    "colour": (COLOUR, {}, COLOUR),
    "colour by plane": (
        COLOUR, dict(PlanarConfiguration=1, PixelData=np.moveaxis(COLOUR, -1, 0).tobytes()), COLOUR,
    ),
    "palette": (GREY, palette(PALETTE, 8), PALETTE[GREY]),
    "palette of 8 bits in 16": (GREY, palette(PALETTE * 256), PALETTE[GREY]),
    "palette of repeated 8 bits": (GREY, palette(PALETTE * 257), PALETTE[GREY]),
    "palette of 16 bits": (GREY, palette(PALETTE * 251), PALETTE[GREY] * 251),
    "one bit": (
        GREY[:9, :11] // 128,
        dict(BitsAllocated=1, BitsStored=1, PixelData=np.packbits(
            GREY[:9, :11] // 128, bitorder="little").tobytes() + b"\0"),
        GREY[:9, :11] // 128,
    ),
    "one row": (GREY[:1], {}, GREY[:1]),
}  # fmt: skip


@pytest.mark.parametrize("name", VALUES)
def test_values_are_those_that_are_meant(tmp_path, name) -> None:
    pixels, elements, want = VALUES[name]
    path = files.save(files.dataset(pixels, **elements), tmp_path / "a.dcm")
    got = page(path, 3 if want.ndim == 3 else 1)
    np.testing.assert_array_equal(got, want)
    small = want.dtype.kind == "u" and want.max() <= 255 and got.dtype != np.float32
    assert got.dtype == (
        np.uint8 if small else np.uint16 if want.dtype == np.uint16 else np.float32
    )


@pytest.mark.parametrize(
    "syntax", [uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian,
               uid.DeflatedExplicitVRLittleEndian],
)  # fmt: skip
def test_frames_are_pages_in_every_encoding(tmp_path, syntax) -> None:
    stack = np.stack([DEEP, DEEP[::-1], DEEP[:, ::-1]])
    ds = files.dataset(stack, BitsStored=12)
    if syntax == uid.ExplicitVRBigEndian:
        ds.PixelData = stack.astype(">u2").tobytes()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    with open_image(str(tmp_path / "a.dcm"), 1) as reader:
        assert (reader.pages, reader.stacked, reader.stack) == (3, True, (("Z", 3),))
        np.testing.assert_array_equal(reader.rows(2, 10, 20), stack[2, 10:20])
        np.testing.assert_array_equal(reader.rows(0, 0, 40), stack[0])


COMPRESSED = {
    uid.RLELossless: (GREY, DEEP, COLOUR),
    uid.JPEG2000Lossless: (GREY, DEEP, SIGNED, COLOUR),
    uid.JPEGLSLossless: (GREY, DEEP, COLOUR),
}


@pytest.mark.parametrize("syntax", COMPRESSED)
@pytest.mark.parametrize("offsets", ["table", "none", "extended"])
def test_compressed_frames_are_decoded(tmp_path, syntax, offsets) -> None:
    for pixels in COMPRESSED[syntax]:
        stack = np.stack([pixels, pixels[::-1], pixels[:, ::-1]])
        ds = files.dataset(stack)
        ds.compress(syntax, generate_instance_uid=False)
        if offsets != "table":
            parts = list(pydicom.encaps.generate_frames(ds.PixelData, number_of_frames=3))
            if offsets == "none":
                ds.PixelData = pydicom.encaps.encapsulate(parts, has_bot=False)
            else:
                ds.PixelData, ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths = (
                    pydicom.encaps.encapsulate_extended(parts)
                )
        path = files.save(ds, tmp_path / "a.dcm")
        np.testing.assert_array_equal(pages(path, 3 if stack.ndim == 4 else 1), stack)


def jpeg(pixels: np.ndarray, lossless: bool, bits: int) -> bytes:
    import imagecodecs

    return imagecodecs.jpeg8_encode(pixels, lossless=lossless, bitspersample=bits, level=95)


@pytest.mark.parametrize(
    ("syntax", "bits", "colour"),
    [(uid.JPEGBaseline8Bit, 8, False), (uid.JPEGBaseline8Bit, 8, True),
     (uid.JPEGExtended12Bit, 12, False), (uid.JPEGLosslessSV1, 8, False),
     (uid.JPEGLosslessSV1, 8, True), (uid.JPEGLosslessSV1, 12, False),
     (uid.JPEGLossless, 16, False)],
)  # fmt: skip
def test_jpeg_frames_are_those_of_another_decoder(tmp_path, syntax, bits, colour) -> None:
    """libjpeg's, as pylibjpeg has it."""
    pytest.importorskip("libjpeg", reason="pylibjpeg-libjpeg is not installed")
    smooth = np.add.outer(np.arange(40) * 40, np.arange(51) * 40).astype(np.uint16)
    pixels = (smooth >> (12 - bits) if bits < 12 else smooth).astype(
        np.uint8 if bits == 8 else np.uint16
    )
    if colour:
        pixels = np.stack([pixels, pixels[::-1], pixels[:, ::-1]], -1)
    lossless = syntax in (uid.JPEGLossless, uid.JPEGLosslessSV1)
    ds = files.dataset(pixels, BitsStored=bits)
    if colour:
        ds.PhotometricInterpretation = "RGB" if lossless else "YBR_FULL_422"
    ds.PixelData = pydicom.encaps.encapsulate([jpeg(pixels, lossless, bits)])
    ds.file_meta.TransferSyntaxUID = syntax
    path = files.save(ds, tmp_path / "a.dcm")
    got = page(path, 3 if colour else 1)
    want = pydicom.pixels.pixel_array(path, decoding_plugin="pylibjpeg")
    if lossless:
        np.testing.assert_array_equal(got, pixels)
        np.testing.assert_array_equal(got, want)
    else:  # decoders may round each value of a transform differently, and colours once more
        assert abs(got.astype(int) - want).max() <= (4 if colour else 1)


# --- real files


def test_real_files_are_read_as_pydicom_reads_them(data) -> None:
    folder = data / "formats" / "dicom"
    for name, channels in [
        ("JLSL_16_15_1_1F.dcm", 1), ("SC_rgb_16bit_2frame.dcm", 3), ("SC_rgb_expb_16bit.dcm", 3),
        ("US1_J2KR.dcm", 3),
    ]:  # fmt: skip
        want = pydicom.pixels.pixel_array(folder / name)
        got = pages(folder / name, channels)
        np.testing.assert_array_equal(got if want.ndim == got.ndim else got[0], want, err_msg=name)
    stored = pydicom.pixels.pixel_array(folder / "ct_image.dcm")
    np.testing.assert_array_equal(page(folder / "ct_image.dcm"), stored - 1024.0)
    stored = pydicom.pixels.pixel_array(folder / "MR2_J2KR.dcm")
    want = (stored * 3.774114 + 0.000061).astype(np.float32)
    np.testing.assert_array_equal(page(folder / "MR2_J2KR.dcm"), want)
    stored = pydicom.pixels.pixel_array(folder / "RG3_J2KI.dcm")
    np.testing.assert_array_equal(page(folder / "RG3_J2KI.dcm"), 1023 - stored)
    ds = pydicom.dcmread(folder / "OBXXXX1A_rle_2frame.dcm")
    want = pydicom.pixels.apply_color_lut(ds.pixel_array, ds)
    np.testing.assert_array_equal(pages(folder / "OBXXXX1A_rle_2frame.dcm", 3), want >> 8)
    # One without the mark at its beginning.
    assert page(folder / "OT-PAL-8-face.dcm", 3).shape == (480, 640, 3)


def test_real_slides_are_put_together(data) -> None:
    folder = data / "formats" / "dicom"
    for name, channels in [("sm_image_grayscale_reversed.dcm", 1), ("sm_image_jpegls.dcm", 3)]:
        tiles = pydicom.pixels.pixel_array(folder / name)
        matrix = tiles.reshape(5, 5, 10, 10, -1).swapaxes(1, 2).reshape(50, 50, -1)
        np.testing.assert_array_equal(
            page(folder / name, channels).reshape(50, 50, -1), matrix, err_msg=name
        )
        with open_image(str(folder / name), channels) as reader:
            assert reader.calibration.width == pytest.approx(0.000499)


# --- series


def series(folder: Path, count: int = 5, step: float = 2.5, **more) -> np.ndarray:
    """Slices in files whose names are in another order; along -z first. Voxels in HU."""
    folder.mkdir(exist_ok=True)
    volume = RANDOM.integers(0, 2000, (count, 33, 40)).astype(np.int16)
    for number in RANDOM.permutation(count):
        ds = files.ct_slice(volume[number], (-10, -20, 30 + step * number), 99 - number, **more)
        ds.save_as(folder / f"{(number * 7) % 11:02}.dcm", enforce_file_format=True)
    return volume.astype(np.float32) - 1024


def test_a_series_is_a_stack_sorted_by_geometry(tmp_path) -> None:
    want = series(tmp_path / "ct")
    for source in (tmp_path / "ct", *sorted((tmp_path / "ct").iterdir())):
        volume = read_volume(source)
        np.testing.assert_array_equal(volume.array, want, err_msg=str(source))
        assert volume.spacing_mm == (2.5, 0.5, 0.75)
        assert volume.geometry.origin == (-10, -20, 30)


def test_a_series_is_that_of_simpleitk(tmp_path) -> None:
    sitk = pytest.importorskip("SimpleITK", reason="the extra 'itk' is not installed")
    turn = np.linalg.qr(RANDOM.normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    (tmp_path / "mr").mkdir()
    for number in (2, 0, 3, 1):
        ds = files.ct_slice(
            np.full((6, 8), number, np.int16), tuple(3.0 * number * turn[:, 2]),
            ImageOrientationPatient=[f"{v:.10f}" for v in turn[:, :2].T.ravel()],
        )  # fmt: skip
        files.save(ds, tmp_path / "mr" / f"{number}.dcm")
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path / "mr")))
    image = reader.Execute()
    volume = read_volume(tmp_path / "mr")
    np.testing.assert_array_equal(volume.array, sitk.GetArrayFromImage(image))
    np.testing.assert_allclose(volume.spacing_mm, image.GetSpacing()[::-1], rtol=1e-6)
    np.testing.assert_allclose(volume.geometry.origin, image.GetOrigin(), atol=1e-6)
    np.testing.assert_allclose(volume.geometry.directions.ravel(), image.GetDirection(), atol=1e-6)


def test_other_views_and_series_are_images_of_their_own(tmp_path) -> None:
    want = series(tmp_path / "a")
    scout = files.ct_slice(
        np.zeros((50, 60), np.int16), (0, 0, 0), ImageOrientationPatient=[1, 0, 0, 0, 0, -1]
    )
    files.save(scout, tmp_path / "a" / "scout.dcm")
    other = files.ct_slice(np.ones((33, 40), np.int16), (0, 0, 0), SeriesInstanceUID="1.2.3")
    files.save(other, tmp_path / "a" / "other.dcm")
    np.testing.assert_array_equal(read_volume(tmp_path / "a" / "00.dcm").array, want)
    assert page(tmp_path / "a" / "scout.dcm").shape == (50, 60)
    np.testing.assert_array_equal(page(tmp_path / "a" / "other.dcm"), np.full((33, 40), -1023))
    for name in ("x", "y"):  # two views of one series that say nothing of their place
        files.save(files.dataset(GREY), tmp_path / f"{name}.dcm")
    assert pages(tmp_path / "x.dcm").shape[0] == 1


def test_a_batch_takes_each_series_once(membranes, capsys, tmp_path) -> None:
    (tmp_path / "in").mkdir()
    series(tmp_path / "in" / "ct")
    series(tmp_path / "in" / "mixed", SeriesInstanceUID="1.2.3")
    files.save(files.dataset(GREY), tmp_path / "in" / "mixed" / "photo.dcm")
    arguments = ["segment", "-e", "em-membranes", str(tmp_path / "in"), "-o", str(tmp_path / "out")]
    assert main([*arguments, "--format", "tif"]) == 0
    made = sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("[!.]*"))
    assert made == ["ct.tif", "mixed", "mixed/00.tif", "mixed/photo.tif"]
    assert pages(tmp_path / "out" / "ct.tif", indices=True).shape == (5, 33, 40)
    # By glob, and resumed: another slice makes it another image.
    glob = ["segment", "-e", "em-membranes", str(tmp_path / "in" / "ct" / "*.dcm"), "-o",
            str(tmp_path / "glob"), "--format", "tif", "--resume"]  # fmt: skip
    assert main(glob) == 0
    assert [p.name for p in (tmp_path / "glob").glob("[!.]*")] == ["00.tif"]
    capsys.readouterr()
    assert main(glob) == 0
    assert "1 skipped" in capsys.readouterr().out
    more = files.ct_slice(np.zeros((33, 40), np.int16), (-10, -20, 42.5))
    files.save(more, tmp_path / "in" / "ct" / "new.dcm")
    assert main(glob) == 0
    assert pages(tmp_path / "glob" / "00.tif", indices=True).shape == (6, 33, 40)


def test_a_result_replaces_no_file_of_its_series(membranes, tmp_path) -> None:
    series(tmp_path / "ct")
    with pytest.raises(ValueError, match="would replace the input"):
        membranes.segment_file(tmp_path / "ct" / "00.dcm", tmp_path / "ct" / "07.dcm")


def test_files_without_a_suffix_are_told_by_content(tmp_path) -> None:
    from pyengine.formats.registry import images_below

    files.save(files.dataset(GREY), tmp_path / "IM0001")
    files.save(files.dataset(GREY), tmp_path / "1.2.840.10008.17")
    assert [p.name for p in images_below(tmp_path)] == ["1.2.840.10008.17", "IM0001"]
    np.testing.assert_array_equal(page(tmp_path / "IM0001"), GREY)


def test_uneven_slices_have_no_depth(tmp_path) -> None:
    series(tmp_path / "ct")
    (tmp_path / "ct" / "03.dcm").unlink()  # 30 + 2.5 * 2
    volume = read_volume(tmp_path / "ct")
    assert volume.array.shape[0] == 4
    assert volume.geometry is None


# --- ophthalmic tomography


def test_an_oct_volume_keeps_spacing_and_side(tmp_path) -> None:
    scans = RANDOM.integers(0, 256, (4, 30, 20), np.uint8)
    places = [(0.0, -0.12 * n, 0.0) for n in range(4)]
    path = files.save(files.oct_volume(scans, places, "L"), tmp_path / "a.dcm")
    np.testing.assert_array_equal(pages(path), scans)
    with open_image(str(path), 1) as reader:
        c = reader.calibration
        assert (c.height, c.width, c.unit) == (0.0039, 0.011, "mm")
        assert c.depth == pytest.approx(0.12)
        assert reader.notes == {"laterality": "L"}
        np.testing.assert_allclose(reader.geometry.matrix[:3, 2], (0, -0.12, 0), atol=1e-9)
    # Frames that jump are sorted.
    mixed = [2, 0, 3, 1]
    ds = files.oct_volume(scans[mixed], [places[n] for n in mixed])
    got = pages(files.save(ds, tmp_path / "b.dcm"))
    want = scans if (got[0] == scans[0]).all() else scans[::-1]
    np.testing.assert_array_equal(got, want)


# --- slides


@pytest.mark.parametrize("sparse", [False, True])
def test_slides_are_read_by_rows_of_tiles(tmp_path, sparse) -> None:
    matrix = RANDOM.integers(0, 256, (70, 50, 3), np.uint8)
    path = files.save(files.slide(matrix, 16, sparse), tmp_path / "a.dcm")
    if sparse:
        matrix[:16, :16] = 0
    np.testing.assert_array_equal(page(path, 3), matrix)
    with open_image(str(path), 3) as reader:
        for begin, end in [(0, 5), (15, 17), (30, 70), (69, 70), (0, 70)]:
            np.testing.assert_array_equal(reader.rows(0, begin, end), matrix[begin:end])


def test_files_of_a_slide_are_levels(tmp_path) -> None:
    matrix = RANDOM.integers(0, 256, (64, 48, 3), np.uint8)
    for name, step in (("c", 1), ("a", 2), ("b", 4)):
        files.save(files.slide(matrix[::step, ::step], 16), tmp_path / f"{name}.dcm")
    label = files.slide(matrix[:20], 64, ImageType=["ORIGINAL", "PRIMARY", "LABEL", "NONE"])
    files.save(label, tmp_path / "label.dcm")
    for name in "abc":
        np.testing.assert_array_equal(page(tmp_path / f"{name}.dcm", 3), matrix)
        for level, step in enumerate((1, 2, 4)):
            got = page(tmp_path / f"{name}.dcm", 3, level=level)
            np.testing.assert_array_equal(got, matrix[::step, ::step])
    assert page(tmp_path / "label.dcm", 3).shape == (20, 48, 3)
    with pytest.raises(ValueError, match="level 3: it has levels 0 to 2"):
        page(tmp_path / "a.dcm", 3, level=3)


# --- segmentations


def check(path: Path) -> None:
    """The standard's rules, by dciodvfy (dicom3tools) where that is here."""
    if shutil.which("dciodvfy") is None:
        return
    text = subprocess.run(["dciodvfy", path], capture_output=True, text=True).stderr
    assert "Segmentation" in text.splitlines()
    assert "Error" not in text


def test_a_segmentation_refers_to_its_series(membranes, tmp_path) -> None:
    values = series(tmp_path / "ct")
    membranes.segment_file(tmp_path / "ct", tmp_path / "seg.dcm")
    want = np.stack([membranes.segment(plane) for plane in values])
    check(tmp_path / "seg.dcm")
    # As highdicom reads it, by the instances that it refers to.
    seg = hd.seg.segread(tmp_path / "seg.dcm")
    sources = [pydicom.dcmread(p, stop_before_pixels=True) for p in (tmp_path / "ct").iterdir()]
    sources.sort(key=lambda ds: ds.ImagePositionPatient[2])
    got = seg.get_pixels_by_source_instance(
        [ds.SOPInstanceUID for ds in sources], combine_segments=True
    )
    np.testing.assert_array_equal(got, want)
    assert seg.StudyInstanceUID == files.STUDY
    assert seg.FrameOfReferenceUID == files.FRAME_OF_REFERENCE
    names = [s.SegmentLabel for s in seg.SegmentSequence]
    assert names == list(membranes.info.classes[1:])
    assert {s.SegmentAlgorithmType for s in seg.SegmentSequence} == {"AUTOMATIC"}
    # And as it is read here, with its geometry.
    volume = read_volume(tmp_path / "seg.dcm")
    np.testing.assert_array_equal(volume.array, want)
    np.testing.assert_allclose(volume.geometry.matrix, read_volume(tmp_path / "ct").geometry.matrix)


def test_segments_are_classes(tmp_path) -> None:
    """Labels of several classes, none of which need be there."""
    from pyengine.formats import Band, Location, Result
    from pyengine.formats.registry import save_result

    source = files.save(files.ct_slice(np.zeros((9, 11), np.int16), (0, 0, 0)), tmp_path / "a.dcm")
    for labels in (RANDOM.integers(0, 4, (9, 11), np.uint8), np.zeros((9, 11), np.uint8)):
        result = Result(
            (9, 11), labels.dtype, 1, False, classes=("none", "a", "b", "c"),
            colors=((0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255)), source=Location(source),
        )  # fmt: skip
        save_result(Location(tmp_path / "seg.dcm"), result, iter([Band(0, 0, labels)]))
        check(tmp_path / "seg.dcm")
        np.testing.assert_array_equal(page(tmp_path / "seg.dcm"), labels)
        seg = hd.seg.segread(tmp_path / "seg.dcm")
        assert [s.SegmentLabel for s in seg.SegmentSequence] == ["a", "b", "c"]


def test_segmentations_of_frames_follow_the_files_order(membranes, tmp_path) -> None:
    scans = RANDOM.integers(0, 256, (4, 30, 20), np.uint8)
    mixed = [2, 0, 3, 1]
    places = [(0.0, -0.12 * n, 0.0) for n in mixed]
    files.save(files.oct_volume(scans, places), tmp_path / "a.dcm")
    membranes.segment_file(tmp_path / "a.dcm", tmp_path / "seg.dcm")
    check(tmp_path / "seg.dcm")
    seg = hd.seg.segread(tmp_path / "seg.dcm")
    (instance,) = {uid for _, _, uid in seg.get_source_image_uids()}
    got = seg.get_pixels_by_source_frame(instance, [1, 2, 3, 4], combine_segments=True)
    np.testing.assert_array_equal(got, np.stack([membranes.segment(scan) for scan in scans]))


def test_segmentations_of_slides_are_tiled(membranes, tmp_path) -> None:
    matrix = RANDOM.integers(0, 256, (70, 50), np.uint8)
    files.save(files.slide(matrix, 16), tmp_path / "a.dcm")
    membranes.segment_file(tmp_path / "a.dcm", tmp_path / "seg.dcm")
    seg = hd.seg.segread(tmp_path / "seg.dcm")
    got = seg.get_total_pixel_matrix(combine_segments=True)
    np.testing.assert_array_equal(got, membranes.segment(matrix))


def test_dicom_in_gives_a_segmentation_and_an_overlay(capsys, membranes, tmp_path) -> None:
    (tmp_path / "in").mkdir()
    files.save(files.dataset(GREY), tmp_path / "in" / "a.dcm")
    arguments = ["segment", "-e", "em-membranes", str(tmp_path / "in"), "-o", str(tmp_path / "out")]
    assert main([*arguments, "--overlay"]) == 0
    assert (tmp_path / "out" / "a.overlay.png").exists()
    np.testing.assert_array_equal(page(tmp_path / "out" / "a.dcm"), membranes.segment(GREY))


# --- what is refused


def test_results_that_cannot_refer_to_a_source_are_refused(membranes, tmp_path) -> None:
    np.save(tmp_path / "a.npy", GREY)
    with pytest.raises(ValueError, match=r"seg\.dcm: a DICOM Segmentation refers to the DICOM"):
        membranes.segment_file(tmp_path / "a.npy", tmp_path / "seg.dcm")
    files.save(files.dataset(np.stack([GREY, GREY])), tmp_path / "a.dcm")
    with pytest.raises(ValueError, match="refers to where they lie, and the source does not"):
        membranes.segment_file(tmp_path / "a.dcm", tmp_path / "seg.dcm")
    with pytest.raises(ValueError, match="DICOM Segmentations hold labels; write logits to"):
        membranes.segment_file(tmp_path / "a.dcm", tmp_path / "seg.dcm", output="logits")
    assert not (tmp_path / "seg.dcm").exists()


def test_without_the_extra_it_is_named(membranes, monkeypatch, tmp_path) -> None:
    series(tmp_path / "ct")
    files.save(files.dataset(GREY), tmp_path / "a.dcm")
    monkeypatch.setitem(sys.modules, "highdicom", None)
    with pytest.raises(ValueError, match=r"seg\.dcm: a DICOM file needs highdicom, which pip"):
        membranes.segment_file(tmp_path / "a.dcm", tmp_path / "seg.dcm")
    monkeypatch.setitem(sys.modules, "pydicom", None)
    for source in (tmp_path / "a.dcm", tmp_path / "ct"):
        with pytest.raises(ValueError, match=r"needs pydicom, which pip install \"pyengine\[dicom"):
            pages(source)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-500])


def damage(path: Path) -> None:
    ds = files.dataset(np.stack([GREY, GREY]))
    ds.compress(uid.JPEG2000Lossless)
    files.save(ds, path)
    content = bytearray(path.read_bytes())
    content[-1500:] = bytes(1500)
    path.write_bytes(content)


def medium(path: Path) -> None:
    ds = files.dataset(GREY)
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = uid.MediaStorageDirectoryStorage
    files.save(ds, path)


def bomb(path: Path) -> None:
    ds = files.dataset(GREY, Rows=60000, Columns=60000)
    ds.file_meta.TransferSyntaxUID = uid.JPEG2000Lossless
    ds.PixelData = pydicom.encaps.encapsulate([b"\xff\x4f\xff\x51" + bytes(100)])
    files.save(ds, path)


def of(pixels: np.ndarray, **elements):
    return lambda path: files.save(files.dataset(pixels, **elements), path)


def same_place(path: Path) -> None:
    for number in range(3):
        files.save(
            files.ct_slice(np.zeros((5, 5), np.int16), (0, 0, number // 2)),
            path.with_name(f"{number}.dcm"),
        )
    files.save(files.ct_slice(np.zeros((5, 5), np.int16), (0, 0, 9)), path)


def unknown_syntax(path: Path) -> None:
    ds = files.dataset(GREY)
    ds.PixelData = pydicom.encaps.encapsulate([bytes(100)])
    ds.file_meta.TransferSyntaxUID = uid.MPEG2MPML
    files.save(ds, path)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: (of(GREY)(path), cut(path)), "not a readable DICOM file"),
        (damage, "not a readable DICOM file"),
        (medium, "list of a medium's files"),
        (bomb, "60000 x 60000 px must be decoded in one piece"),
        (lambda path: path.write_bytes(bytes(128) + b"DICM"), "holds no image"),
        (lambda path: path.write_bytes(bytes(128) + b"DICM" + RANDOM.bytes(900)), ""),
        (lambda path: path.write_text("hello"), "is no DICOM file"),
        (of(GREY, PixelData=None), "holds no pixels"),
        (of(GREY, Rows=None), "holds no image"),
        (of(COLOUR, PhotometricInterpretation="HSV"), "its pixels are HSV"),
        (of(DEEP, BitsStored=12, HighBit=15), "HighBit 15 with 12 bits stored"),
        (of(GREY, PhotometricInterpretation="MONOCHROME1", RescaleSlope=2, RescaleIntercept=0),
         "MONOCHROME1 .* with a rescale"),
        (same_place, "lie where another does"),
        (unknown_syntax, "its pixels are MPEG2"),
    ],
)  # fmt: skip
def test_what_is_not_taken_is_refused_in_one_line(tmp_path, make, words) -> None:
    make(tmp_path / "a.dcm")
    with pytest.raises((ValueError, OSError), match=words) as caught:
        pages(tmp_path / "a.dcm")
    assert str(caught.value).startswith(str(tmp_path / "a.dcm"))
    assert "\n" not in str(caught.value)
