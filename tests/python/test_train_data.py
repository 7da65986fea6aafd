"""Loaders on data in the owners' layouts, packing, splits, and what they refuse."""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys

import fake_data
import numpy as np
import pytest
import tifffile
from conftest import ROOT
from PIL import Image

from train import prepare
from train.config import load_config
from train.data import chiu2015, drive, isbi2012, kermany2018, ultrasound_nerve
from train.data.sample import Sample
from train.data.store import Store, pack
from train.settings import SplitConfig
from train.systems import SYSTEMS

LOADERS = {
    "isbi2012": isbi2012, "drive": drive, "chiu2015": chiu2015,
    "ultrasound_nerve": ultrasound_nerve, "kermany2018": kermany2018,
}  # fmt: skip


def test_isbi(tmp_path) -> None:
    samples = list(isbi2012.load(fake_data.isbi2012(tmp_path / "isbi")))
    assert [s.subject for s in samples[:4]] == ["1", "2", "3", "4"]
    assert [s.label is None for s in samples] == [False] * 4 + [True] * 2
    volume = tifffile.imread(tmp_path / "isbi" / "train-labels.tif")
    np.testing.assert_array_equal(samples[2].label, volume[2] == 0)


def test_drive_reads_palette_observers_by_index(tmp_path) -> None:
    samples = list(drive.load(fake_data.drive(tmp_path / "drive")))
    training, test = samples[:3], samples[3:]
    assert [s.split for s in samples] == [None] * 3 + ["test"]
    assert all(s.second is None for s in training)
    np.testing.assert_array_equal(test[0].second, test[0].label)
    assert set(np.unique(test[0].second)) == {0, 1}
    assert test[0].image.shape == (*test[0].label.shape, 3)
    assert test[0].region.dtype == bool


@pytest.mark.parametrize("version", ["5", "7.3"])
def test_chiu_of_both_matlab_versions(tmp_path, version) -> None:
    samples = list(chiu2015.load(fake_data.chiu2015(tmp_path / "chiu", version=version)))
    first = [s for s in samples if s.subject == "01"]
    # Of five B-scans the last is empty, and every second one has no annotation.
    assert [(s.position, s.label is None) for s in first] == [
        (0, False), (1, True), (2, False), (3, True),
    ]  # fmt: skip
    assert set(np.unique(first[0].label)) == {0, 1}
    assert first[0].second is not None
    assert all(s.second is None for s in samples if s.subject != "01")
    assert first[0].image.shape == (64, 96)


def test_nerve_masks_from_files_and_from_run_lengths(tmp_path) -> None:
    root = fake_data.ultrasound_nerve(tmp_path / "nerve")
    by_file = {s.name: s for s in ultrasound_nerve.load(root)}
    assert {s.subject for s in by_file.values()} == {"1", "2", "3"}
    rows = ["subject,img,pixels"]
    for sample in by_file.values():
        flat = np.concatenate([[0], sample.label.T.ravel(), [0]])
        starts, ends = (
            np.nonzero(np.diff(flat) == 1)[0] + 1,
            np.nonzero(np.diff(flat) == -1)[0] + 1,
        )
        runs = " ".join(f"{s} {e - s}" for s, e in zip(starts, ends, strict=True))
        number = sample.name.split("_")[-1]
        rows.append(f"{sample.subject},{number},{runs}")
    (root / "train_masks.csv").write_text("\n".join(rows))
    for mask in (root / "train").glob("*_mask.tif"):
        mask.unlink()
    by_runs = {s.name: s for s in ultrasound_nerve.load(root)}
    assert by_runs.keys() == by_file.keys()
    for name, sample in by_file.items():
        np.testing.assert_array_equal(by_runs[name].label, sample.label)


def test_run_lengths_by_hand() -> None:
    """Columns first, counted from 1: pixels 2 and 3 of a 3 x 2 image, and the last one."""
    mask = ultrasound_nerve.decode_run_lengths("2 2 6 1", (3, 2))
    np.testing.assert_array_equal(mask, [[0, 0], [1, 0], [1, 1]])
    assert not ultrasound_nerve.decode_run_lengths("", (3, 2)).any()
    for wrong in ("1", "0 1", "6 2", "1 0"):
        with pytest.raises(ValueError, match="run"):
            ultrasound_nerve.decode_run_lengths(wrong, (3, 2))


def test_kermany_splits_by_patient(tmp_path) -> None:
    samples = list(kermany2018.load(fake_data.kermany2018(tmp_path / "k")))
    assert len(samples) == 16
    assert {int(s.label) for s in samples} == {0, 1, 2, 3}
    assert {s.split for s in samples if s.name.startswith("val/")} == {"test"}
    assert samples[0].subject == "CNV-0"


@pytest.mark.parametrize(
    ("folder", "loader", "count", "subjects"),
    [
        ("isbi2012", isbi2012, 34, 34), ("drive", drive, 30, 30), ("chiu2015", chiu2015, 77, 7),
        ("ultrasound_nerve", ultrasound_nerve, 1098, 20), ("kermany2018", kermany2018, 16, 14),
    ],
)  # fmt: skip
def test_the_real_data_sets(data, folder, loader, count, subjects) -> None:
    samples = list(loader.load(data / folder))
    assert len(samples) == count
    assert len({s.subject for s in samples}) == subjects
    assert all(s.image.dtype == np.uint8 for s in samples)
    labels = [s.label for s in samples if s.label is not None]
    assert all(label.max() <= (3 if folder == "kermany2018" else 1) for label in labels)


def test_real_second_observer_scores_like_a_human(data) -> None:
    """Read wrongly (palette as colours) its Dice would be near 0 or that of everything."""
    for sample in drive.load(data / "drive"):
        if sample.second is not None:
            inside = sample.region
            a, b = sample.label[inside] > 0, sample.second[inside] > 0
            assert 0.7 < 2 * (a & b).sum() / (a.sum() + b.sum()) < 0.9


@pytest.mark.parametrize("name", LOADERS)
def test_what_is_missing_is_named(tmp_path, name) -> None:
    loader = LOADERS[name]
    with pytest.raises(FileNotFoundError, match="nowhere"):
        list(loader.load(tmp_path / "nowhere"))
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(FileNotFoundError, match="empty"):
        list(loader.load(empty))


def test_loaders_refuse_what_does_not_fit(tmp_path) -> None:
    root = fake_data.isbi2012(tmp_path / "isbi")
    tifffile.imwrite(root / "train-labels.tif", np.zeros((3, 96, 96), np.uint8))
    with pytest.raises(ValueError, match=r"\(4, 96, 96\).*\(3, 96, 96\)"):
        list(isbi2012.load(root))
    tifffile.imwrite(root / "train-labels.tif", np.full((4, 96, 96), 7, np.uint8))
    with pytest.raises(ValueError, match=r"0 or 255, found \[7\]"):
        list(isbi2012.load(root))
    (root / "train-volume.tif").write_bytes(b"not a TIFF")
    with pytest.raises(ValueError, match=r"train-volume\.tif: cannot be read"):
        list(isbi2012.load(root))

    root = fake_data.drive(tmp_path / "drive")
    (root / "training" / "1st_manual" / "22_manual1.gif").unlink()
    with pytest.raises(FileNotFoundError, match=r"22_manual1\.gif: missing"):
        list(drive.load(root))

    root = fake_data.chiu2015(tmp_path / "chiu")
    (root / "Subject_02.mat").write_bytes(b"\0" * 200)
    with pytest.raises(ValueError, match=r"Subject_02\.mat: cannot be read"):
        list(chiu2015.load(root))

    root = fake_data.ultrasound_nerve(tmp_path / "nerve")
    (root / "train" / "2_1.tif").unlink()
    with pytest.raises(ValueError, match="1 masks without image, first 2_1"):
        list(ultrasound_nerve.load(root))
    (root / "train" / "2_1_mask.tif").unlink()
    (root / "train" / "3_1_mask.tif").unlink()
    with pytest.raises(FileNotFoundError, match=r"3_1_mask\.tif: missing"):
        list(ultrasound_nerve.load(root))

    root = fake_data.kermany2018(tmp_path / "k")
    shutil.rmtree(root / "val" / "DME")
    with pytest.raises(FileNotFoundError, match="images of class DME"):
        list(kermany2018.load(root))


def sample(name="a", subject="1", size=(8, 9), label=None, **more) -> Sample:
    image = np.arange(size[0] * size[1], dtype=np.uint8).reshape(size)
    return Sample(
        name, subject, image, np.zeros(size, np.uint8) if label is None else label, **more
    )


def test_packing_keeps_everything(tmp_path) -> None:
    samples = [
        sample("a", "1", region=np.eye(8, 9, dtype=bool)),
        sample("b", "2", second=np.ones((8, 9), np.uint8)),
        sample("c", "3", size=(5, 4)),
    ]
    split = SplitConfig(validation=("2",), test=("3",))
    counts = pack(samples, tmp_path / "x.h5", "drive", ("a", "b"), split)
    assert counts == {"train": 1, "validation": 1, "test": 1, "context": 0}
    store = Store(tmp_path / "x.h5", "drive")
    assert store.subjects_of("validation") == ["2"]
    assert len(store.source_sha256) == 64
    for number, original in enumerate(samples):
        for name in ("image", "label", "region", "second"):
            want, got = getattr(original, name), store.array(number, name)
            assert (got is None) == (want is None)
            if want is not None:
                np.testing.assert_array_equal(got, want)


def test_adjacent_slices_become_channels(tmp_path) -> None:
    samples = [
        Sample(str(i), "1", np.full((4, 4), 10 * i, np.uint8),
               None if i == 1 else np.zeros((4, 4), np.uint8), volume="v", position=i)
        for i in (0, 1, 2, 5)
    ]  # fmt: skip
    samples.append(sample("other", "2"))
    pack(samples, tmp_path / "x.h5", "s", ("a", "b"), SplitConfig(validation=("2",)))
    store = Store(tmp_path / "x.h5", "s")
    assert store.image(2, 3)[0, 0].tolist() == [10, 20, 20]  # 3 is not there
    assert store.image(0, 5)[0, 0].tolist() == [0, 0, 0, 10, 20]
    with pytest.raises(ValueError, match="other: adjacent slices need a volume"):
        store.image(4, 3)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ([], "empty"),
        ([sample("a"), sample("a")], "two samples are called 'a'"),
        ([sample(label=np.full((8, 9), 2, np.uint8))], "holds class 2, classes are 0 to 1"),
        ([sample(label=np.zeros((9, 9), np.uint8))], r"label is \(9, 9\) px, its image \(8, 9\)"),
        ([sample("a", split="train"), sample("b", split="test")], r"'1' is in \['test', 'train'\]"),
        ([sample()], "no subject of .* validation"),
        ([Sample("a", "1", np.zeros((4, 4), np.float32))], "image must be uint8"),
    ],
)
def test_packing_refuses_and_keeps_the_old_file(tmp_path, samples, message) -> None:
    path = tmp_path / "x.h5"
    path.write_bytes(b"old")
    with pytest.raises(ValueError, match=message):
        pack(samples, path, "s", ("a", "b"), SplitConfig(validation=("9",)))
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["x.h5"]


def test_full_disk_while_packing(tmp_path) -> None:
    """The process may write 100 kB per file: one clear error, the older file intact."""
    fake_data.isbi2012(tmp_path / "isbi", sections=24, size=256)
    target = tmp_path / "x.h5"
    target.write_bytes(b"old")
    done = subprocess.run(
        [sys.executable, "-m", "train.prepare", "em-membranes", "--root", tmp_path / "isbi", "-o", target],
        cwd=ROOT, capture_output=True, text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("train.prepare: "), done.stderr
    assert "Traceback" not in done.stderr
    assert target.read_bytes() == b"old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["isbi", "x.h5"]
    assert len(done.stderr.splitlines()) == 1, done.stderr


def test_prepare_command(tmp_path, capsys) -> None:
    root = fake_data.isbi2012(tmp_path / "isbi", sections=22, size=48)
    out = tmp_path / "x.h5"
    assert prepare.main(["em-membranes", "--root", str(root), "--out", str(out)]) == 0
    assert "20 train, 2 validation, 2 context" in capsys.readouterr().out
    assert prepare.main(["em-membranes", "--root", str(tmp_path / "no"), "--out", str(out)]) == 2
    assert "train-volume.tif: missing" in capsys.readouterr().err
    with pytest.raises(ValueError, match="data of 'em-membranes', expected 'oct-fluid'"):
        Store(out, "oct-fluid")
    (tmp_path / "bad.h5").write_bytes(b"x" * 100)
    with pytest.raises(ValueError, match="not a packed data set"):
        Store(tmp_path / "bad.h5", "oct-fluid")


def test_phantoms_as_a_data_set(tmp_path) -> None:
    import dataclasses

    config = load_config("oct-classes-cnn5")
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, phantoms=20))
    counts = prepare.prepare(config, None, tmp_path / "x.h5")
    assert counts == {"train": 12, "validation": 4, "test": 4, "context": 0}
    store = Store(tmp_path / "x.h5", "oct-classes")
    assert all(name.startswith("synthetic/") for name in store.names)


def test_jpeg_masks_are_cut_at_127(tmp_path) -> None:
    root = tmp_path / "nerve_256"
    (root / "images").mkdir(parents=True)
    (root / "masks").mkdir()
    grey = np.tile(np.array([0, 100, 127, 128, 255], np.uint8), (5, 1))
    Image.fromarray(grey).save(root / "images" / "3_1.png")
    Image.fromarray(grey).save(root / "masks" / "3_1_mask.png")
    (only,) = ultrasound_nerve.load(root)
    assert only.label[0].tolist() == [0, 0, 0, 1, 1]


def test_where_data_lies_is_said_not_guessed(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.delenv("PYENGINE_DATA", raising=False)
    out, toml = str(tmp_path / "x.h5"), str(tmp_path / "tiny.toml")
    (tmp_path / "tiny.toml").write_text('system = "em-membranes"\n[split]\nvalidation = ["4"]\n')
    assert prepare.main([toml, "-o", out]) == 2
    error = capsys.readouterr().err
    assert "no folder of em-membranes's data set: name it with --root" in error
    monkeypatch.setenv("PYENGINE_DATA", str(tmp_path))
    folder = tmp_path / SYSTEMS["em-membranes"].folder
    fake_data.isbi2012(folder)
    assert prepare.main([toml, "-o", str(folder / "x.h5")]) == 2
    assert f"lies in the data set {folder}, which is only read" in capsys.readouterr().err
    assert prepare.main([toml, "-o", out]) == 0
