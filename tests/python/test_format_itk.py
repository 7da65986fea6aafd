"""MetaImage and NRRD: SimpleITK and pynrrd write what is read, and read what is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pyengine.formats import open_image
from pyengine.formats.volume import Volume, read_volume, write_volume

sitk = pytest.importorskip("SimpleITK", reason="the extra 'itk' is not installed")

RANDOM = np.random.default_rng(0)
VOXELS = RANDOM.integers(0, 100, (5, 7, 9)).astype(np.int16)  # (z, y, x)
TURN = np.linalg.qr(RANDOM.normal(size=(3, 3)))[0]
TURN *= np.sign(np.linalg.det(TURN))
SPACING, ORIGIN = (0.7, 0.9, 2.5), (3.0, -40.0, 5.5)


def image(array: np.ndarray = VOXELS, vector: bool = False):
    made = sitk.GetImageFromArray(array, isVector=vector)
    if made.GetDimension() == 3:
        made.SetSpacing(SPACING)
        made.SetOrigin(ORIGIN)
        made.SetDirection(TURN.ravel())
    return made


@pytest.mark.parametrize("suffix", [".mha", ".mhd", ".nrrd", ".nhdr"])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "i4", "f4", "f8"])
def test_slices_are_simpleitks(tmp_path, suffix, packed, dtype) -> None:
    array = VOXELS.astype(dtype)
    sitk.WriteImage(image(array), str(tmp_path / f"a{suffix}"), useCompression=packed)
    volume = read_volume(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(volume.array, array)
    assert volume.geometry.spacing_mm == pytest.approx(SPACING)
    np.testing.assert_allclose(volume.geometry.origin, ORIGIN)
    np.testing.assert_allclose(volume.geometry.directions, TURN, atol=1e-9)
    with open_image(str(tmp_path / f"a{suffix}"), 1) as reader:
        for page, begin, end in [(4, 2, 5), (0, 0, 7), (4, 6, 7)]:
            np.testing.assert_array_equal(reader.rows(page, begin, end), array[page, begin:end])


@pytest.mark.parametrize("suffix", [".mha", ".nrrd"])
@pytest.mark.parametrize("kind", ["labels", "probabilities"])
def test_results_lie_where_their_source_lies(membranes, tmp_path, suffix, kind) -> None:
    array = RANDOM.integers(0, 256, (3, 40, 33), np.uint8)
    sitk.WriteImage(image(array), str(tmp_path / "a.mha"))
    membranes.segment_file(tmp_path / "a.mha", tmp_path / f"r{suffix}", output=kind)
    got = sitk.ReadImage(str(tmp_path / f"r{suffix}"))
    want = np.stack([membranes.segment(plane, output=kind) for plane in array])
    values = sitk.GetArrayFromImage(got)
    np.testing.assert_array_equal(values if kind == "labels" else np.moveaxis(values, -1, 1), want)
    assert got.GetSpacing() == pytest.approx(SPACING)
    assert got.GetOrigin() == pytest.approx(ORIGIN)
    np.testing.assert_allclose(got.GetDirection(), TURN.ravel(), atol=1e-6)


def test_geometry_goes_from_one_format_to_another(tmp_path) -> None:
    pytest.importorskip("nibabel", reason="the extra 'nifti' is not installed")
    sitk.WriteImage(image(), str(tmp_path / "a.nrrd"))
    labels = (VOXELS > 50).astype(np.uint8)
    volume = Volume(labels, read_volume(tmp_path / "a.nrrd").geometry)
    for name in ("a.nii.gz", "b.mha", "c.nrrd"):
        write_volume(tmp_path / name, volume)
        volume = read_volume(tmp_path / name)
    np.testing.assert_array_equal(volume.array, labels)
    np.testing.assert_allclose(volume.geometry.origin, ORIGIN, atol=1e-5)
    np.testing.assert_allclose(volume.geometry.directions, TURN, atol=1e-6)


def test_nrrd_of_another_writer_is_read(tmp_path) -> None:
    nrrd = pytest.importorskip("nrrd", reason="pynrrd is not installed")
    header = {
        "space": "right-anterior-superior", "space directions": np.diag([0.5, 0.6, 3.0]),
        "space origin": [1.0, 2.0, 3.0],
    }  # fmt: skip
    nrrd.write(str(tmp_path / "a.nrrd"), np.asfortranarray(VOXELS.T), header)
    volume = read_volume(tmp_path / "a.nrrd")
    np.testing.assert_array_equal(volume.array, VOXELS)
    assert volume.geometry.spacing_mm == pytest.approx((0.5, 0.6, 3.0))
    np.testing.assert_allclose(volume.geometry.ras[:3, 3], (1, 2, 3))


def test_colour_and_planes_are_images(tmp_path) -> None:
    colour = RANDOM.integers(0, 256, (20, 30, 3), np.uint8)
    sitk.WriteImage(image(colour, vector=True), str(tmp_path / "a.mha"))
    with open_image(str(tmp_path / "a.mha"), 3) as reader:
        assert (reader.pages, reader.stacked, reader.shape) == (1, False, (20, 30, 3))
        np.testing.assert_array_equal(reader.rows(0, 3, 20), colour[3:])


def text(path: Path, **fields) -> None:
    lines = {"ObjectType": "Image", "NDims": "2", "DimSize": "4 4", "ElementType": "MET_UCHAR",
             **fields}  # fmt: skip
    path.write_text("".join(f"{key} = {value}\n" for key, value in lines.items()))


def cut(path: Path) -> None:
    sitk.WriteImage(image(), str(path))
    path.write_bytes(path.read_bytes()[:-100])


def nrrd_elsewhere(path: Path) -> None:
    path.write_text(
        "NRRD0004\ntype: uchar\ndimension: 2\nsizes: 4 4\nencoding: raw\ndata file: /etc/passwd\n\n"
    )


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: text(path, ElementDataFile="../b.raw"), "in '../b.raw', outside its own"),
        (lambda path: text(path, ElementDataFile="/etc/passwd"), "outside its own folder"),
        (lambda path: text(path, ElementDataFile="b.raw"), "in 'b.raw', which is not there"),
        (lambda path: text(path, ElementDataFile="LIST"), "in several files"),
        (lambda path: text(path, ElementDataFile="s%02d.raw 1 3 1"), "in several files"),
        (nrrd_elsewhere, "outside its own folder"),
        (lambda path: text(path, NDims="x"), "not a readable MetaImage volume"),
        (lambda path: sitk.WriteImage(sitk.Image([3, 4, 5, 2], sitk.sitkUInt8), str(path)),
         "has 4 axes"),
        (cut, "not a readable MetaImage volume"),
    ],
)  # fmt: skip
def test_what_is_no_volume_is_refused_in_one_line(tmp_path, make, words) -> None:
    make(tmp_path / "a.mha")
    with pytest.raises((ValueError, OSError), match=words) as caught:
        read_volume(tmp_path / "a.mha")
    assert str(caught.value).startswith(str(tmp_path / "a.mha"))
    assert "\n" not in str(caught.value)
