"""NIfTI in and out for engines built from nnU-Net: its labels, its names, and refusals by name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nnunet_folder import write_results_folder

import pyengine
from pyengine.builder.nnunet_comparison import compare_with_nnunet
from pyengine.cli import main
from pyengine.volumes import segment_volume

nibabel = pytest.importorskip("nibabel")
pytest.importorskip("dynamic_network_architectures")
pytest.importorskip("skimage")

AFFINE = np.array([[-0.7, 0, 0.1, 5], [0, 0.8, 0, -7], [0.1, 0, 2.5, 3], [0, 0, 0, 1]])


def write_volume(
    path: Path, shape: tuple[int, ...] = (31, 27, 12), seed: int = 0, affine: Any = AFFINE
) -> Path:
    """Blobs of 16 bits in a frame of zeros, axes (x, y, z)."""
    rng = np.random.default_rng(seed)
    places = np.meshgrid(*map(np.arange, shape), indexing="ij")
    values = sum(np.sin(p / (3 + i)) for i, p in enumerate(places)) * 60 + 200
    values = (values + rng.normal(0, 10, shape)).astype(np.int16)
    for axis in range(len(shape)):
        np.moveaxis(values, axis, 0)[[0, 1, -1]] = 0
    nibabel.save(nibabel.Nifti1Image(values, affine), path)
    return path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An engine of one channel and two folds."""
    folder = tmp_path_factory.mktemp("nnunet")
    results = write_results_folder(
        folder / "results", reader="NibabelIO", folds=(0, 1), patch=(16, 24), spacing=[0.9, 1.1]
    )
    pyengine.build(results, folder / "x.pyengine")
    return folder


CASES: dict[str, dict[str, Any]] = {
    "plain": {"spacing": [0.9, 1.1]},
    "transposed, residual": {
        "spacing": [1.0, 0.8], "transpose": (2, 0, 1), "network": "ResidualEncoderUNet",
    },
    "within the mask": {"spacing": [0.9, 0.9], "use_mask_for_norm": [True], "mirror": (1,)},
    "two channels": {
        "spacing": [0.8, 0.7], "use_mask_for_norm": [False, True], "mirror": None,
        "schemes": ("CTNormalization", "ZScoreNormalization"),
    },
    "regions": {
        "spacing": [0.9, 1.1], "regions_class_order": [2, 1],
        "labels": {"background": 0, "whole": [1, 2], "core": [2], "ignore": 3},
    },
    "folds": {"spacing": [0.9, 1.1], "folds": (0, 1, 2)},
    "3-D": {"patch": (8, 16, 24), "spacing": [2.0, 0.9, 1.1], "mirror": (0, 2)},
    "3-D, transposed, residual, folds": {
        "patch": (8, 16, 24), "spacing": [1.0, 3.1, 1.0], "transpose": (2, 0, 1), "mirror": None,
        "network": "ResidualEncoderUNet", "folds": (0, 1),
    },
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_labels_of_volumes_are_those_of_nnunet(tmp_path, case) -> None:
    pytest.importorskip("nnunetv2")
    results = write_results_folder(
        tmp_path / "results", reader="NibabelIO", **{"patch": (16, 24), **CASES[case]}
    )
    pyengine.build(results, tmp_path / "x.pyengine")
    engine = pyengine.Engine(tmp_path / "x.pyengine")
    for index in range(engine.info.input["channels"]):
        write_volume(tmp_path / f"case_000{index}.nii.gz", seed=index)
    report = compare_with_nnunet(engine, results, tmp_path / "case_0000.nii.gz")
    assert report.voxels == 31 * 27 * 12
    assert report.passed, report
    assert report.differing < 0.01 * report.voxels
    assert min(report.dice.values()) > 0.99


def test_geometry_is_kept_and_what_is_outside_is_background(built, tmp_path) -> None:
    source = write_volume(tmp_path / "in.nii.gz")
    engine = pyengine.Engine(built / "x.pyengine")
    for name in ("out.nii.gz", "out.nii"):
        engine.segment_file(source, tmp_path / name)
        labels = nibabel.load(tmp_path / name)
        image = nibabel.load(source)
        assert labels.shape == image.shape
        np.testing.assert_array_equal(labels.affine, image.affine)
        assert labels.header.get_zooms() == image.header.get_zooms()
        values = np.asarray(labels.dataobj)
        assert values.dtype == np.uint8
        assert not values[:2].any()
        assert values.any()
    volume = np.asarray(nibabel.load(source).dataobj).transpose(2, 1, 0)
    spacing = nibabel.load(source).header.get_zooms()[::-1]
    want = segment_volume(engine, volume, spacing)
    np.testing.assert_array_equal(values.transpose(2, 1, 0), want)
    # The usual options are those of the network's training.
    explicit = segment_volume(engine, volume, spacing, mode="nnunet", tta="mirror")
    np.testing.assert_array_equal(want, explicit)
    assert (segment_volume(engine, volume, spacing, tta="none") != want).any()
    engine.segment_file(source, tmp_path / "stack.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "stack.npy"), want)


def test_progress_is_of_all_slices_and_cancels(built, tmp_path) -> None:
    engine = pyengine.Engine(built / "x.pyengine")
    volume, seen = np.ones((3, 20, 30), np.float32), []
    volume += np.random.default_rng(0).random(volume.shape, np.float32)

    def watch(done: int, total: int) -> None:
        seen.append((done, total))

    segment_volume(engine, volume, (2, 1, 1), progress=watch)
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1]
    source = write_volume(tmp_path / "in.nii.gz")
    with pytest.raises(pyengine.CancelledError):
        engine.segment_file(source, tmp_path / "out.nii.gz", progress=lambda done, total: done < 4)
    assert [p.name for p in tmp_path.iterdir()] == ["in.nii.gz"]


def test_folders_in_nnunets_names(tmp_path, capsys) -> None:
    results = write_results_folder(
        tmp_path / "results", reader="NibabelIO", patch=(16, 24), mirror=None,
        schemes=("ZScoreNormalization", "CTNormalization"),
    )  # fmt: skip
    pyengine.build(results, tmp_path / "x.pyengine")
    images = tmp_path / "images"
    images.mkdir()
    for name in ("a", "b_c"):
        for channel in range(2):
            write_volume(images / f"{name}_000{channel}.nii.gz", seed=channel)
    given = [
        "segment",
        str(images),
        "-e",
        str(tmp_path / "x.pyengine"),
        "-o",
        str(tmp_path / "out"),
    ]
    assert main(given) == 0
    assert "2 segmented, 0 skipped, 0 failed" in capsys.readouterr().out
    written = sorted(p.name for p in (tmp_path / "out").glob("[!.]*"))
    assert written == ["a.nii.gz", "b_c.nii.gz"]
    assert main([*given, "--resume"]) == 0
    assert "0 segmented, 2 skipped, 0 failed" in capsys.readouterr().out
    write_volume(images / "a_0001.nii.gz", seed=7)  # another second channel is another case
    assert main([*given, "--resume"]) == 0
    assert "1 segmented, 1 skipped, 0 failed" in capsys.readouterr().out
    assert main([*given, "--resume", "--tta", "flips"]) == 0
    assert "2 segmented, 0 skipped, 0 failed" in capsys.readouterr().out
    (images / "b_c_0001.nii.gz").unlink()
    assert main(given) == 2
    assert "b_c_0001.nii.gz: no such file; the network takes 2 channels" in capsys.readouterr().err


def test_one_bad_case_does_not_cost_the_others(built, tmp_path, capsys) -> None:
    images = tmp_path / "images"
    images.mkdir()
    write_volume(images / "a_0000.nii.gz")
    write_volume(images / "b_0000.nii.gz", shape=(10, 10, 10, 2))
    given = ["segment", str(images), "-e", str(built / "x.pyengine"), "-o", str(tmp_path / "out")]
    assert main(given) == 1
    told = capsys.readouterr()
    assert "1 segmented, 0 skipped, 1 failed" in told.out
    assert "is a series of 2 volumes" in told.err
    assert sorted(p.name for p in (tmp_path / "out").glob("[!.]*")) == ["a.nii.gz"]


def test_verify_prints_what_differs(built, tmp_path, capfd) -> None:
    pytest.importorskip("nnunetv2")
    source = write_volume(tmp_path / "case_0000.nii.gz")
    given = ["verify", str(built / "x.pyengine"), str(built / "results"), "--input", str(source)]
    assert main(given) == 0
    told = capfd.readouterr().out
    assert "case_0000.nii.gz: same: " in told
    assert "of 10044 voxels differ" in told
    assert "Dice: one " in told
    # Against other weights.
    other = write_results_folder(
        tmp_path / "other", reader="NibabelIO", folds=(7, 0, 1), patch=(16, 24), spacing=[0.9, 1.1]
    )
    given[2] = str(other)
    assert main(given) == 1
    assert "DIFFERENT" in capfd.readouterr().out


def test_pictures_that_no_step_of_the_core_prepares(tmp_path, capsys) -> None:
    from PIL import Image

    results = write_results_folder(
        tmp_path / "results", use_mask_for_norm=[True], patch=(16, 24), mirror=None
    )
    pyengine.build(results, tmp_path / "x.pyengine")
    engine = pyengine.Engine(tmp_path / "x.pyengine")
    picture = np.zeros((40, 50), np.uint8)
    picture[5:35, 10:45] = np.random.default_rng(0).integers(1, 255, (30, 35))
    Image.fromarray(picture).save(tmp_path / "in.png")
    engine.segment_file(tmp_path / "in.png", tmp_path / "out.png")
    labels = np.asarray(Image.open(tmp_path / "out.png"))
    np.testing.assert_array_equal(labels, segment_volume(engine, picture[None], (999, 1, 1))[0])
    assert not labels[:5].any()
    np.save(tmp_path / "stack.npy", np.stack([picture] * 5))
    with pytest.raises(ValueError, match="a stack, and the network was trained on single pictures"):
        engine.segment_file(tmp_path / "stack.npy", tmp_path / "out.npy")
    with pytest.raises(ValueError, match="normalised and resampled, as float32, got uint8"):
        engine.segment(picture)
    with pytest.raises(ValueError, match="as float32, got uint8"):
        engine.stream(40, 50)
    assert main(["info", str(tmp_path / "x.pyengine")]) == 0
    assert "prepared to 1 x 1 mm, slices as they are; zscore in the mask" in capsys.readouterr().out


def spoilt(name: str, path: Path) -> Path:
    """A NIfTI file that cannot be used."""
    write_volume(path)
    image = nibabel.load(path)
    header, values = image.header.copy(), np.asarray(image.dataobj)
    if name == "series":
        values = np.stack([values] * 3, -1)
    if name == "NaN":
        values = values.astype(np.float32)
        values[5, 6, 7] = np.nan
        header.set_data_dtype(np.float32)
    if name == "empty":
        values = values[:, :0]
    if name == "complex":
        values = values.astype(np.complex64)
        header.set_data_dtype(np.complex64)
    plain = path.with_name("spoilt.nii")
    nibabel.save(nibabel.Nifti1Image(values, None, header), plain)
    content = bytearray(plain.read_bytes())
    if name in ("no spacing", "spacing of 0"):
        at = 76 + 4 * 3  # pixdim[3]
        content[at : at + 4] = np.float32(0 if name == "spacing of 0" else np.nan).tobytes()
        content[254:256] = b"\0\0"  # sform_code: else the matrix says it
    if name == "cut off":
        content = content[:-200]
    if name == "no NIfTI":
        content = bytearray(b"no header at all")
    plain.write_bytes(content)
    return plain


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("series", "is a series of 3 volumes"),
        ("NaN", "holds NaN or infinity"),
        ("empty", "is neither an image nor a volume"),
        ("complex", "no grey values"),
        ("no spacing", "says nothing of its spacing"),
        ("spacing of 0", "says nothing of its spacing"),
        ("cut off", "not enough data|bytes"),
        ("no NIfTI", "unknown image format|cannot|header"),
    ],
)
def test_bad_volumes_get_one_line_and_write_nothing(built, tmp_path, capsys, name, words) -> None:
    source = spoilt(name, tmp_path / "whole.nii")
    before = sorted(tmp_path.iterdir())
    given = ["segment", str(source), "-e", str(built / "x.pyengine")]
    assert main([*given, "-o", str(tmp_path / "out.nii.gz")]) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == 1
    assert str(source) in told[0]
    assert re.search(words, told[0]), told
    assert [p for p in sorted(tmp_path.iterdir()) if p.suffix != ".jsonl"] == before


def test_refusals_before_work_begins(built, tmp_path) -> None:
    engine = pyengine.Engine(built / "x.pyengine")
    source = write_volume(tmp_path / "in.nii.gz")
    for target, words in [
        ("in.nii.gz", "would replace the input"),
        ("none/out.nii.gz", "no such folder"),
        ("out.xyz", "unknown output format"),
        ("out.png", "stacks of labels"),
    ]:
        with pytest.raises((OSError, ValueError), match=words):
            engine.segment_file(source, tmp_path / target)
    np.save(tmp_path / "stack.npy", np.ones((5, 20, 20), np.float32))
    with pytest.raises(ValueError, match="stack.npy: says nothing of its spacing"):
        engine.segment_file(tmp_path / "stack.npy", tmp_path / "o.npy")
    with pytest.raises(ValueError, match="threshold, input_range, mask and report are not for"):
        engine.segment_file(source, tmp_path / "o.nii.gz", threshold=0.4)
    with pytest.raises(ValueError, match="of volumes, labels are written"):
        engine.segment_file(source, tmp_path / "o.nii.gz", output="probabilities")
    with pytest.raises(pyengine.UnsupportedError, match="volumes are segmented whole"):
        segment_volume(engine, np.ones((2, 9, 9)), (1, 1, 1), region=(0, 0, 4, 4))
    with pytest.raises(ValueError, match=r"must be an array \(D, H, W\)"):
        segment_volume(engine, np.ones((9, 9)), (1, 1, 1))
    with pytest.raises(pyengine.UnsupportedError, match="nothing of how volumes are prepared"):
        segment_volume(pyengine.Engine("em-membranes"), np.ones((2, 9, 9)), (1, 1, 1))
    second = write_volume(tmp_path / "case_0001.nii.gz")
    with pytest.raises(ValueError, match="is channel 1 of a case; name that of channel 0"):
        engine.segment_file(second, tmp_path / "o.nii.gz")
    first = write_volume(tmp_path / "case_0000.nii.gz")
    with pytest.raises(ValueError, match="case_0001.nii.gz: the network takes 1 channel"):
        engine.segment_file(first, tmp_path / "o.nii.gz")
    assert not list(tmp_path.glob("o*"))


def test_channels_must_fit_each_other(tmp_path) -> None:
    results = write_results_folder(
        tmp_path / "results", reader="NibabelIO", patch=(16, 24), schemes=("NoNormalization",) * 2
    )
    pyengine.build(results, tmp_path / "x.pyengine")
    engine = pyengine.Engine(tmp_path / "x.pyengine")
    first = write_volume(tmp_path / "case_0000.nii.gz")
    other = AFFINE * 1.5
    other[3, 3] = 1
    for change, words in (({"shape": (31, 27, 11)}, "shape"), ({"affine": other}, "spacing")):
        write_volume(tmp_path / "case_0001.nii.gz", **change)
        with pytest.raises(ValueError, match=f"case_0001.nii.gz: {words} .* differs from"):
            engine.segment_file(first, tmp_path / "o.nii.gz")
    with pytest.raises(ValueError, match=r"has 1 channel\(s\), the network takes 2"):
        engine.segment_file(write_volume(tmp_path / "alone.nii.gz"), tmp_path / "o.nii.gz")
    moved = AFFINE.copy()
    moved[0, 3] += 1
    write_volume(tmp_path / "case_0001.nii.gz", affine=moved)
    with pytest.warns(UserWarning, match="lies elsewhere than"):
        engine.segment_file(first, tmp_path / "o.nii.gz")
