"""NIfTI: nibabel and SimpleITK write what is read, and read what is written."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from pyengine.formats import open_image
from pyengine.formats.geometry import Geometry
from pyengine.formats.volume import Volume, read_volume, write_volume

nibabel = pytest.importorskip("nibabel", reason="the extra 'nifti' is not installed")

RANDOM = np.random.default_rng(0)
VOXELS = RANDOM.integers(0, 1000, (9, 7, 5)).astype(np.int16)  # (x, y, z)
# A turned and shifted volume of 0.7 x 0.9 x 2.5 mm.
TURN = np.linalg.qr(RANDOM.normal(size=(3, 3)))[0]
AFFINE = np.eye(4)
AFFINE[:3, :3] = TURN * (0.7, 0.9, 2.5)
AFFINE[:3, 3] = (-30.5, 12, 99)


def save(path: Path, array: np.ndarray = VOXELS, affine: np.ndarray = AFFINE, kind: str = "1",
         **fields) -> Path:  # fmt: skip
    image = getattr(nibabel, f"Nifti{kind}Image")(array, affine)
    for name, value in fields.items():
        image.header[name] = value
    nibabel.save(image, path)
    return path


@pytest.mark.parametrize("kind", ["1", "2"])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".NII.GZ"])
@pytest.mark.parametrize("dtype", [">i2", "<i2", "u1", "<f4", ">u2", "i1", "<i4", "f8"])
def test_pages_are_slices_along_the_last_axis(tmp_path, kind, suffix, dtype) -> None:
    array = (VOXELS % 100).astype(dtype)
    path = tmp_path / f"a{suffix}"
    save(tmp_path / f"a{suffix.lower()}", array, kind=kind).rename(path)
    volume = read_volume(path)
    np.testing.assert_array_equal(volume.array, array.transpose(2, 1, 0))
    assert volume.spacing_mm == pytest.approx((2.5, 0.9, 0.7))
    np.testing.assert_allclose(volume.geometry.ras, AFFINE, atol=1e-5)
    with open_image(str(path), 1) as reader:
        assert (reader.axes, reader.axes_by, reader.stack) == ("XYZ", "the file", (("Z", 5),))
        assert reader.calibration.depth == pytest.approx(2.5)
        assert reader.calibration.unit == "mm"
        # In any order, and in part.
        for page, begin, end in [(3, 2, 7), (0, 0, 1), (3, 0, 2), (4, 6, 7)]:
            np.testing.assert_array_equal(
                reader.rows(page, begin, end), array[:, begin:end, page].T
            )


def test_spacing_and_axes_are_those_of_simpleitk(tmp_path) -> None:
    sitk = pytest.importorskip("SimpleITK", reason="the extra 'itk' is not installed")
    image = sitk.GetImageFromArray(VOXELS.transpose(2, 1, 0))
    image.SetSpacing((0.7, 0.9, 2.5))
    image.SetOrigin((3, -40, 5.5))
    image.SetDirection(TURN.ravel() if np.linalg.det(TURN) > 0 else (-TURN).ravel())
    sitk.WriteImage(image, str(tmp_path / "a.nii.gz"))
    read = sitk.ReadImage(str(tmp_path / "a.nii.gz"))
    volume = read_volume(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(volume.array, sitk.GetArrayFromImage(read))
    assert volume.spacing_mm == read.GetSpacing()[::-1]
    np.testing.assert_allclose(volume.geometry.origin, read.GetOrigin(), atol=1e-5)
    np.testing.assert_allclose(volume.geometry.directions.ravel(), read.GetDirection(), atol=1e-6)
    # And SimpleITK finds the labels where the image is.
    labels = (volume.array > 500).astype(np.uint8)
    write_volume(tmp_path / "l.nii.gz", Volume(labels, volume.geometry))
    written = sitk.ReadImage(str(tmp_path / "l.nii.gz"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(written), labels)
    assert written.GetSpacing() == read.GetSpacing()
    np.testing.assert_allclose(written.GetOrigin(), read.GetOrigin(), atol=1e-5)
    np.testing.assert_allclose(written.GetDirection(), read.GetDirection(), atol=1e-6)


@pytest.mark.parametrize("name", ["l.nii", "l.nii.gz"])
@pytest.mark.parametrize("kind", ["labels", "probabilities"])
def test_results_lie_where_their_source_lies(membranes, tmp_path, name, kind) -> None:
    array = RANDOM.integers(0, 256, (40, 33, 3), np.uint8)
    membranes.segment_file(save(tmp_path / "a.nii.gz", array), tmp_path / name, output=kind)
    image = nibabel.load(tmp_path / name)
    got = np.asarray(image.dataobj)
    for z in range(3):
        want = membranes.segment(np.ascontiguousarray(array[..., z].T), output=kind)
        if kind == "labels":
            np.testing.assert_array_equal(got[..., z].T, want)
        else:
            np.testing.assert_array_equal(got[:, :, z].transpose(2, 1, 0), want)
    np.testing.assert_allclose(image.affine, AFFINE, atol=1e-5)
    assert image.header.get_zooms()[:3] == pytest.approx((0.7, 0.9, 2.5))
    assert image.header.get_xyzt_units()[0] == "mm"
    assert [p.name for p in tmp_path.iterdir()] == ["a.nii.gz", name] or name == "a.nii.gz"


def test_equal_labels_are_equal_files(tmp_path) -> None:
    volume = Volume((VOXELS > 3).astype(np.uint8).transpose(2, 1, 0), Geometry.from_ras(AFFINE))
    write_volume(tmp_path / "a.nii.gz", volume)
    write_volume(tmp_path / "b.nii.gz", volume)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


def test_a_single_slice_is_a_stack_and_a_plane_an_image(tmp_path) -> None:
    with open_image(str(save(tmp_path / "a.nii", VOXELS[..., :1])), 1) as reader:
        assert (reader.pages, reader.stacked, reader.shape) == (1, True, (7, 9))
    with open_image(str(save(tmp_path / "b.nii", VOXELS[..., 0])), 1) as reader:
        assert (reader.pages, reader.stacked, reader.shape) == (1, False, (7, 9))
    with open_image(str(save(tmp_path / "c.nii", VOXELS[..., None])), 1) as reader:
        assert (reader.pages, reader.stacked, reader.shape) == (5, True, (7, 9))
        np.testing.assert_array_equal(reader.rows(2, 0, 7), VOXELS[..., 2].T)


def test_axes_choose_other_slices_and_turn_the_geometry(tmp_path) -> None:
    path = save(tmp_path / "a.nii.gz")
    with open_image(str(path), 1, axes="XZY") as reader:
        assert (reader.pages, reader.shape) == (7, (5, 9))
        np.testing.assert_array_equal(reader.rows(4, 1, 5), VOXELS[:, 4, 1:].T)
        np.testing.assert_allclose(reader.geometry.ras, AFFINE[:, [0, 2, 1, 3]], atol=1e-5)
        assert reader.geometry.spacing_mm == pytest.approx((0.7, 2.5, 0.9))


def test_scaled_values_are_nibabels(tmp_path) -> None:
    image = nibabel.Nifti1Image(VOXELS, AFFINE)
    image.header.set_slope_inter(0.37, -1024)
    # The stored numbers as they are, with a scale beside them.
    with (tmp_path / "a.nii").open("wb") as file:
        image.header["vox_offset"] = 352
        image.header.write_to(file)
        file.seek(352)
        file.write(VOXELS.tobytes(order="F"))
    want = nibabel.load(tmp_path / "a.nii").get_fdata().astype(np.float32).transpose(2, 1, 0)
    assert abs(want - VOXELS.transpose(2, 1, 0)).max() > 500
    np.testing.assert_array_equal(read_volume(tmp_path / "a.nii").array, want)


@pytest.mark.parametrize(("code", "mm"), [(1, 1e3), (2, 1.0), (3, 1e-3), (0, 1.0)])
def test_units_of_length_become_mm(tmp_path, code, mm) -> None:
    volume = read_volume(save(tmp_path / "a.nii", xyzt_units=code))
    assert volume.spacing_mm == pytest.approx((2.5 * mm, 0.9 * mm, 0.7 * mm))
    np.testing.assert_allclose(volume.geometry.ras[:3], mm * AFFINE[:3], rtol=1e-5)


def test_spacing_that_a_file_lacks_is_not_made_up(tmp_path) -> None:
    path = save(tmp_path / "a.nii")
    content = bytearray(path.read_bytes())
    content[76:108] = bytes(32)  # pixdim
    content[252:256] = bytes(4)  # codes of both matrices
    path.write_bytes(content)
    assert read_volume(path).geometry is None


def complex_values(path: Path) -> None:
    save(path, VOXELS.astype(np.complex64))


def colour(path: Path) -> None:
    pixels = np.zeros((4, 4, 2), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    save(path, pixels)


def cut(path: Path) -> None:
    save(path)
    path.write_bytes(path.read_bytes()[:-100])


def cut_stream(path: Path) -> None:
    cut(path)
    path.write_bytes(gzip.compress(path.read_bytes())[:-200])


def cut_header(path: Path) -> None:
    save(path)
    path.write_bytes(path.read_bytes()[:200])


def absurd_size(path: Path) -> None:
    save(path)
    content = bytearray(path.read_bytes())
    content[42:48] = b"\xff\x7f" * 3
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: save(path, np.zeros((3, 4, 5, 2), np.uint8)),
         r"series of 2 volumes, shape \(3, 4, 5, 2\)"),
        (complex_values, "complex64 are no grey values"),
        (colour, "are no grey values"),
        (cut, "not a readable NIfTI volume"),
        (cut_stream, "not a readable NIfTI volume"),
        (cut_header, "its header is not that of NIfTI"),
        (absurd_size, "not a readable NIfTI volume"),
        (lambda path: path.write_bytes(b""), "its header is not that of NIfTI"),
    ],
)  # fmt: skip
def test_what_is_no_volume_is_refused_in_one_line(tmp_path, make, words) -> None:
    make(tmp_path / "a.nii")
    with pytest.raises((ValueError, OSError), match=words) as caught:
        read_volume(tmp_path / "a.nii")
    assert str(caught.value).startswith(str(tmp_path / "a.nii"))
    assert "\n" not in str(caught.value)


def test_content_decides_whether_it_is_packed(tmp_path) -> None:
    save(tmp_path / "a.nii.gz").rename(tmp_path / "packed.nii")
    save(tmp_path / "b.nii").rename(tmp_path / "plain.nii.gz")
    for name in ("packed.nii", "plain.nii.gz"):
        np.testing.assert_array_equal(read_volume(tmp_path / name).array, VOXELS.transpose(2, 1, 0))
    save(tmp_path / "c.nii.gz").rename(tmp_path / "scan")
    assert read_volume(tmp_path / "scan").array.shape == (5, 7, 9)


def test_real_volumes(data) -> None:
    for path in sorted((data / "hippocampus" / "imagesTr").glob("*.nii.gz"))[:5]:
        image = nibabel.load(path)
        volume = read_volume(path)
        want = np.asarray(image.dataobj).transpose(2, 1, 0)
        np.testing.assert_array_equal(volume.array, want)
        np.testing.assert_array_equal(volume.geometry.ras, image.affine)
