"""Files in, files out: every format, by row bands, the same as in memory."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
from conftest import random_image
from PIL import Image

import pyengine
from pyengine.formats import open_image, read_image
from pyengine.overlay import overlay

STACK = np.random.default_rng(0).integers(0, 256, (3, 300, 170), np.uint8)


def write(path: Path, array: np.ndarray) -> str:
    if path.suffix == ".npy":
        np.save(path, array)
    elif path.suffix == ".h5":
        with h5py.File(path, "w") as f:
            f["group/raw"] = array
        return f"{path}:/group/raw"
    elif path.suffix == ".tif":
        tifffile.imwrite(path, array, photometric="minisblack")
    else:
        Image.fromarray(array).save(path)
    return str(path)


def read(path: str) -> np.ndarray:
    if path.endswith(".npy"):
        return np.load(path)
    if ".h5" in path:
        file, _, name = path.partition(":")
        with h5py.File(file) as f:
            return f[name or "labels"][()]
    return tifffile.imread(path) if path.endswith(".tif") else np.asarray(Image.open(path))


@pytest.fixture(scope="module")
def labels() -> np.ndarray:
    engine = pyengine.Engine("em-membranes")
    return np.stack(list(engine.segment_batch(STACK)))


@pytest.mark.parametrize("tile", [None, 64])
@pytest.mark.parametrize("dst", ["out.tif", "out.npy", "out.h5", "out.h5:/x/y"])
@pytest.mark.parametrize("src", ["in.tif", "in.npy", "in.h5"])
def test_stacks_stream_to_the_same_labels(membranes, labels, tmp_path, src, dst, tile) -> None:
    target = str(tmp_path / dst)
    membranes.segment_file(write(tmp_path / src, STACK), target, tile=tile)
    np.testing.assert_array_equal(read(target), labels)


@pytest.mark.parametrize("dst", ["out.png", "out.tif", "out.npy"])
@pytest.mark.parametrize("src", ["in.png", "in.tif", "in.npy", "in.bmp"])
def test_single_images(membranes, labels, tmp_path, src, dst) -> None:
    target = str(tmp_path / dst)
    membranes.segment_file(write(tmp_path / src, STACK[1]), target, tile=(80, 96))
    np.testing.assert_array_equal(read(target), labels[1])
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([src, dst])


@pytest.mark.parametrize("dst", ["out.tif", "out.npy", "out.h5"])
@pytest.mark.parametrize("output", ["probabilities", "logits"])
def test_scores(membranes, tmp_path, dst, output) -> None:
    target = str(tmp_path / dst)
    membranes.segment_file(write(tmp_path / "in.npy", STACK[0]), target, output=output, tile=64)
    got = read(target + (f":/{output}" if dst == "out.h5" else ""))
    np.testing.assert_array_equal(got, membranes.segment(STACK[0], output=output))


@pytest.mark.parametrize(
    "options",
    [
        {"tile": (64, 48)},
        {"tile": (64, 48), "compression": "zlib"},
        {"rowsperstrip": 7},
        {"rowsperstrip": 7, "compression": "zlib", "predictor": True},
        {"rowsperstrip": 16, "compression": "lzw"},
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 3])
def test_tiff_rows_are_decoded_piecewise(tmp_path, options, dtype, channels) -> None:
    image = random_image(np.random.default_rng(1), 150, 101, channels, dtype)
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, image, photometric="minisblack" if channels == 1 else "rgb", **options)
    with open_image(str(path), channels) as source:
        assert source.shape == image.shape
        for begin, end in ((0, 150), (0, 1), (63, 65), (149, 150), (13, 140)):
            np.testing.assert_array_equal(source.rows(0, begin, end), image[begin:end])


def test_large_image_is_not_read_whole(membranes, tmp_path, monkeypatch) -> None:
    np.save(tmp_path / "in.npy", np.zeros((3000, 40), np.uint8))
    seen = []
    from pyengine.formats.array_reader import ArrayReader

    rows = ArrayReader.rows
    monkeypatch.setattr(
        ArrayReader,
        "rows",
        lambda s, p, a, b: (seen.append(b - a), rows(s, p, a, b))[1],
    )
    membranes.segment_file(tmp_path / "in.npy", tmp_path / "out.npy", tile=256)
    assert len(seen) == 12
    assert max(seen) <= membranes.plan(3000, 40, tile=256).window[0]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("in.png", b"not an image", ["in.png", "not a readable image"]),
        ("in.tif", b"not a tiff", ["in.tif", "not a readable TIFF"]),
        ("in.npy", b"not numpy", ["in.npy", "not a readable NumPy"]),
        ("in.h5", b"not hdf5", ["in.h5", "not a readable HDF5"]),
        ("in.xyz", b"", ["unknown image format '.xyz'", ".png"]),
    ],
)
def test_unreadable_files(membranes, tmp_path, name, content, words) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises((OSError, ValueError)) as caught:
        membranes.segment_file(tmp_path / name, tmp_path / "out.tif")
    for word in words:
        assert word in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_misfits_are_named(membranes, tmp_path) -> None:
    stack = write(tmp_path / "stack.npy", STACK)
    with pytest.raises(ValueError, match="PNG holds the labels of one image"):
        membranes.segment_file(stack, tmp_path / "out.png")
    with pytest.raises(ValueError, match="unknown output format '.jpg'"):
        membranes.segment_file(stack, tmp_path / "out.jpg")
    color = write(tmp_path / "color.npy", np.arange(243, dtype=np.uint8).reshape(9, 9, 3))
    with pytest.raises(ValueError, match=r"color\.npy: has 3 channels that differ"):
        membranes.segment_file(color, tmp_path / "out.npy")
    with h5py.File(tmp_path / "two.h5", "w") as f:
        f["a"] = f["b"] = STACK[0]
    with pytest.raises(ValueError, match="name the data set.*a, b"):
        membranes.segment_file(tmp_path / "two.h5", tmp_path / "out.npy")
    with pytest.raises(FileNotFoundError, match="absent"):
        membranes.segment_file(tmp_path / "absent.tif", tmp_path / "out.npy")
    nan = write(tmp_path / "nan.npy", np.full((30, 30), np.nan, np.float32))
    with pytest.raises(ValueError, match="900 NaN"):
        membranes.segment_file(nan, tmp_path / "out.npy")
    assert not list(tmp_path.glob("out*"))
    assert not list(tmp_path.glob(".out*"))


def test_cancel_leaves_no_file(membranes, tmp_path) -> None:
    path = write(tmp_path / "in.npy", STACK)
    calls = []
    with pytest.raises(pyengine.CancelledError):
        membranes.segment_file(
            path, tmp_path / "out.npy", tile=64,
            progress=lambda done, total: calls.append((done, total)) or len(calls) < 4,
        )  # fmt: skip
    assert calls == [(1, 45), (2, 45), (3, 45), (4, 45)]
    assert [p.name for p in tmp_path.iterdir()] == ["in.npy"]


def test_alpha_and_grey_stored_as_colour_are_reduced(tmp_path) -> None:
    grey = STACK[0]
    opaque = np.full_like(grey, 255)
    Image.fromarray(np.dstack([grey] * 3 + [opaque])).save(tmp_path / "rgba.png")
    Image.fromarray(np.dstack([grey, opaque])).save(tmp_path / "la.png")
    for name in ("rgba.png", "la.png"):
        np.testing.assert_array_equal(read_image(str(tmp_path / name), 1), grey)
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "deep.png")
    np.testing.assert_array_equal(
        read_image(str(tmp_path / "deep.png"), 1), grey.astype(np.uint16) * 257
    )


def test_networks_of_the_whole_image_go_page_by_page(make_engine, tmp_path) -> None:
    import torch
    from test_operators import Op, SqueezeExcite

    torch.manual_seed(0)
    engine = make_engine(Op(SqueezeExcite(5)).eval(), (1, 3, 32, 32))
    stack = np.random.default_rng(0).integers(0, 256, (2, 40, 33, 3), np.uint8)
    np.save(tmp_path / "in.npy", stack)
    engine.segment_file(tmp_path / "in.npy", tmp_path / "out.npy")
    want = np.stack([engine.segment(image) for image in stack])
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), want)
    with pytest.raises(pyengine.UnsupportedError, match="no exact tiles"):
        engine.segment_file(tmp_path / "in.npy", tmp_path / "out.npy", tile=16)


def test_overlay_colours_only_the_classes() -> None:
    image = np.array([[0, 255], [0, 255]], np.uint8)
    out = overlay(image, np.array([[0, 0], [1, 1]], np.uint8), ((9, 9, 9), (255, 0, 0)))
    assert out.shape == (2, 2, 3)
    np.testing.assert_array_equal(out[0], [[0, 0, 0], [255, 255, 255]])
    assert (out[1, :, 0] > out[1, :, 1]).all()


# ---- nothing of a user's is lost ----------------------------------------------------------------


@pytest.mark.parametrize("name", ["in.tif", "in.npy"])
@pytest.mark.parametrize(
    "way", ["same", "relative", "dots", "symlink", "hard link", "linked folder"]
)
def test_an_output_never_replaces_its_input(membranes, tmp_path, monkeypatch, name, way) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    source = folder / name
    write(source, STACK)
    before = source.read_bytes()
    monkeypatch.chdir(folder)
    target = {
        "same": source,
        "relative": Path(name),
        "dots": folder / ".." / "data" / name,
        "symlink": tmp_path / name,
        "hard link": tmp_path / name,
        "linked folder": tmp_path / "link" / name,
    }[way]
    if way == "symlink":
        target.symlink_to(source)
    elif way == "hard link":
        target.hardlink_to(source)
    elif way == "linked folder":
        target.parent.symlink_to(folder)
    with pytest.raises(ValueError, match="would replace the input") as caught:
        membranes.segment_file(source, target)
    assert str(source) in str(caught.value)
    assert str(target) in str(caught.value)
    assert source.read_bytes() == before
    assert [p.name for p in folder.iterdir()] == [name]


def test_an_output_never_replaces_the_engine(tmp_path) -> None:
    path = tmp_path / "engine.npy"  # any name may be an engine's
    path.write_bytes(Path(pyengine.Engine("em-membranes").info.path).read_bytes())
    engine = pyengine.Engine(path)
    source = write(tmp_path / "in.npy", STACK[0])
    with pytest.raises(ValueError, match=r"would replace the input .*engine\.npy"):
        engine.segment_file(source, path)


@pytest.fixture
def experiment(tmp_path) -> Path:
    path = tmp_path / "exp.h5"
    with h5py.File(path, "w") as f:
        f["raw"] = STACK
        f["raw"].attrs["voxel_nm"] = [50.0, 4.0, 4.0]
        f["meta/notes"] = "by hand"
        f.attrs["operator"] = "A. B."
    path.chmod(0o640)
    return path


def contents(path: Path) -> dict[str, object]:
    found: dict[str, object] = {}

    def note(name: str, item: object) -> None:
        value = item[()] if isinstance(item, h5py.Dataset) else None
        found[name] = (
            value.tobytes() if isinstance(value, np.ndarray) else value,
            {k: np.asarray(v).tolist() for k, v in item.attrs.items()},
        )

    with h5py.File(path) as f:
        f.visititems(note)
        found["/"] = dict(f.attrs)
    return found


def test_a_data_set_joins_what_an_hdf5_file_holds(membranes, labels, experiment) -> None:
    before, size = contents(experiment), experiment.stat().st_size
    membranes.segment_file(f"{experiment}:/raw", f"{experiment}:/results/labels")
    np.testing.assert_array_equal(read(f"{experiment}:/results/labels"), labels)
    after = contents(experiment)
    assert {k: after[k] for k in before} == before
    assert set(after) - set(before) == {"results", "results/labels"}
    assert experiment.stat().st_mode & 0o777 == 0o640
    assert experiment.stat().st_size < size + labels.nbytes + 10000  # no room is left over
    assert [p.name for p in experiment.parent.iterdir()] == ["exp.h5"]
    # And from another file, by way of a link, which stays a link.
    source = write(experiment.parent / "in.npy", STACK[0])
    link = experiment.parent / "link.h5"
    link.symlink_to(experiment)
    membranes.segment_file(source, f"{link}:/one", tile=64)
    assert link.is_symlink()
    np.testing.assert_array_equal(read(f"{experiment}:/one"), labels[0])
    assert {k: contents(experiment)[k] for k in after} == after


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("raw", ["holds 'raw' already", "exp.h5:/raw_2"]),
        ("meta", ["holds 'meta' already"]),
        ("/meta/notes/", ["holds 'meta/notes' already", "meta/notes_2"]),
        ("raw/labels", ["holds 'raw' already"]),
        ("nowhere/labels", ["holds 'nowhere' already"]),
        ("elsewhere/labels", ["is a link into", "other.h5"]),
    ],
)
def test_names_that_are_taken_in_an_hdf5_file(membranes, experiment, name, words) -> None:
    other = experiment.parent / "other.h5"
    with h5py.File(other, "w") as f:
        f.create_group("group")
    with h5py.File(experiment, "r+") as f:
        f["nowhere"] = h5py.SoftLink("/absent")
        f["elsewhere"] = h5py.ExternalLink("other.h5", "/group")
    before = experiment.read_bytes(), other.read_bytes()
    with pytest.raises(OSError, match="exp.h5") as caught:
        membranes.segment_file(f"{experiment}:/raw", f"{experiment}:{name}")
    for word in words:
        assert word in str(caught.value)
    assert (experiment.read_bytes(), other.read_bytes()) == before


def test_an_hdf5_input_is_added_to_only_by_name(membranes, experiment) -> None:
    with pytest.raises(ValueError, match="would replace the input"):
        membranes.segment_file(f"{experiment}:/raw", experiment)


def test_a_failed_run_leaves_an_hdf5_file_as_it_was(membranes, experiment, monkeypatch) -> None:
    before = experiment.read_bytes()

    def cancel(done: int, total: int) -> bool:
        return done < 2

    target = f"{experiment}:/labels"
    with pytest.raises(pyengine.CancelledError):
        membranes.segment_file(f"{experiment}:/raw", target, tile=64, progress=cancel)
    assert experiment.read_bytes() == before
    assert [p.name for p in experiment.parent.iterdir()] == ["exp.h5"]
    # A change by another program while the run goes on is kept.
    source = write(experiment.parent / "in.npy", STACK)

    def change(done: int, total: int) -> bool:
        if done == 1:
            with h5py.File(experiment, "r+") as f:
                f["theirs"] = 1
        return True

    with pytest.raises(OSError, match="another program changed it"):
        membranes.segment_file(source, target, progress=change)
    assert set(contents(experiment)) == {"/", "raw", "meta", "meta/notes", "theirs"}


def test_what_is_no_hdf5_file_is_not_replaced_by_one(membranes, tmp_path) -> None:
    source = write(tmp_path / "in.npy", STACK[0])
    (tmp_path / "out.h5").write_text("a letter")
    with pytest.raises(OSError, match=r"out\.h5: exists and cannot be added to"):
        membranes.segment_file(source, tmp_path / "out.h5")
    assert (tmp_path / "out.h5").read_text() == "a letter"


def test_a_folder_is_never_replaced(membranes, tmp_path) -> None:
    source = write(tmp_path / "in.npy", STACK[0])
    (tmp_path / "out.npy").mkdir()
    with pytest.raises(FileExistsError, match="is a folder"):
        membranes.segment_file(source, tmp_path / "out.npy")


def test_an_older_output_is_replaced_in_one_step(membranes, labels, tmp_path) -> None:
    source = write(tmp_path / "in.npy", STACK[0])
    (tmp_path / "out.npy").write_bytes(b"older")

    def look(done: int, total: int) -> bool:
        assert (tmp_path / "out.npy").read_bytes() == b"older"
        return True

    membranes.segment_file(source, tmp_path / "out.npy", progress=look)
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), labels[0])
