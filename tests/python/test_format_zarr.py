"""Zarr: zarr writes what is read, ome-zarr-models judges what is written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from pyengine.cli import main
from pyengine.formats import Band, Calibration, Location, Result, open_image
from pyengine.formats.registry import images_below, save_result
from pyengine.formats.volume import read_volume

zarr = pytest.importorskip("zarr", reason="the extra 'zarr' is not installed")
models = pytest.importorskip("ome_zarr_models", reason="the extra 'zarr' is not installed")

RANDOM = np.random.default_rng(0)
IMAGE = RANDOM.integers(0, 256, (70, 53), np.uint8)
TYPES = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}


def pages(source, channels: int = 1, **how) -> np.ndarray:
    with open_image(str(source), channels, **how) as reader:
        return np.stack([reader.rows(n, 0, reader.shape[0]) for n in range(reader.pages)])


def ome(path, arrays, axes: str, version: str = "0.5", scale=None, unit="micrometer", name="",
        chunks=None, **more) -> None:  # fmt: skip
    """An image of several levels, as the specification has it."""
    fmt = 3 if version == "0.5" else 2
    scale = scale or [1.0] * len(axes)
    group = zarr.open_group(path, mode="a", path=name, zarr_format=fmt)
    datasets = []
    for level, array in enumerate(arrays):
        group.create_array(str(level), data=array, chunks=chunks or "auto")
        factor = [s * 2**level if a in "yx" else s for a, s in zip(axes, scale, strict=True)]
        transforms = [{"type": "scale", "scale": factor}]
        datasets.append({"path": str(level), "coordinateTransformations": transforms})
    described = [
        {"name": a, "type": TYPES[a], **({"unit": unit} if a in "zyx" and unit else {})}
        for a in axes
    ]
    pyramid = {"axes": described, "datasets": datasets, **more}
    if version == "0.5":
        group.attrs["ome"] = {"version": version, "multiscales": [pyramid]}
    else:
        group.attrs["multiscales"] = [{**pyramid, "version": version}]


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("chunks", [None, (1, 1, 2, 16, 16), (1, 1, 3, 70, 53)])
def test_axes_levels_and_sizes_are_those_of_the_metadata(tmp_path, version, chunks) -> None:
    array = RANDOM.integers(0, 65536, (2, 2, 3, 70, 53)).astype(np.uint16)
    path = tmp_path / "a.ome.zarr"
    ome(
        path, [array, array[..., ::2, ::2]], "tczyx", version, [1, 1, 2.0, 0.5, 0.25], chunks=chunks
    )
    with open_image(str(path), 1) as reader:
        assert (reader.axes, reader.axes_by) == ("TCZYX", "the file")
        assert reader.stack == (("T", 2), ("C", 2), ("Z", 3))
        assert reader.levels == ((70, 53), (35, 27))
        assert reader.calibration == Calibration(0.5, 0.25, "µm", 2.0)
        for page, begin, end in [(11, 0, 70), (3, 15, 17), (0, 69, 70), (7, 30, 50)]:
            want = array.reshape(12, 70, 53)[page, begin:end]
            np.testing.assert_array_equal(reader.rows(page, begin, end), want)
    np.testing.assert_array_equal(pages(path, level=1), array.reshape(12, 70, 53)[:, ::2, ::2])
    with open_image(str(path), 1, level=1) as reader:
        assert reader.calibration == Calibration(1.0, 0.5, "µm", 2.0)
    # Channels are those of the network where it has as many.
    with open_image(str(path), 2) as reader:
        assert (reader.shape, reader.stack) == ((70, 53, 2), (("T", 2), ("Z", 3)))
        np.testing.assert_array_equal(reader.rows(4, 0, 70), np.moveaxis(array[1, :, 1], 0, -1))
    with pytest.raises(ValueError, match="level 2: it has levels 0 to 1"):
        pages(path, level=2)


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("dtype", ["u1", ">u2", "<u2", "<f4", "?", "i2"])
def test_plain_arrays_are_images(tmp_path, zarr_format, dtype) -> None:
    array = (IMAGE // 100).astype(dtype)
    zarr.create_array(tmp_path / "a.zarr", data=array, chunks=(32, 20), zarr_format=zarr_format)
    np.testing.assert_array_equal(pages(tmp_path / "a.zarr")[0], array)
    group = zarr.open_group(tmp_path / "g.zarr", mode="w", zarr_format=zarr_format)
    group.create_array("raw/em", data=array, chunks=(32, 20))
    np.testing.assert_array_equal(pages(tmp_path / "g.zarr")[0], array)
    group.create_array("labels", data=array)
    with pytest.raises(
        ValueError, match=r"name the image as .*g\.zarr:/NAME; it holds labels, raw/em"
    ):
        pages(tmp_path / "g.zarr")
    np.testing.assert_array_equal(pages(f"{tmp_path}/g.zarr:/raw/em")[0], array)


def test_names_of_dimensions_are_axes(tmp_path) -> None:
    stack = RANDOM.integers(0, 256, (40, 3, 50), np.uint8)
    zarr.create_array(
        tmp_path / "a.zarr", data=stack, dimension_names=["y", "z", "x"], zarr_format=3
    )
    np.testing.assert_array_equal(pages(tmp_path / "a.zarr"), stack.transpose(1, 0, 2))
    np.testing.assert_array_equal(pages(tmp_path / "a.zarr", axes="ZYX"), stack)


def test_sharded_and_compressed_arrays_are_read(tmp_path) -> None:
    zarr.create_array(
        tmp_path / "a.zarr", data=IMAGE, chunks=(16, 16), shards=(64, 64),
        compressors=zarr.codecs.BloscCodec(cname="zstd"),
    )  # fmt: skip
    np.testing.assert_array_equal(pages(tmp_path / "a.zarr")[0], IMAGE)


def test_images_of_plates_and_series_are_named(tmp_path) -> None:
    for field in ("0", "1"):
        ome(tmp_path / "p.zarr", [IMAGE], "yx", name=f"A/1/{field}")
    root = zarr.open_group(tmp_path / "p.zarr", mode="a")
    root.attrs["ome"] = {"version": "0.5", "plate": {}}
    with pytest.raises(
        ValueError, match=r"is a plate; name the image as .*; it holds A/1/0, A/1/1"
    ):
        pages(tmp_path / "p.zarr")
    np.testing.assert_array_equal(pages(f"{tmp_path}/p.zarr:/A/1/1")[0], IMAGE)
    # bioformats2raw's layout, with one series.
    ome(tmp_path / "b.zarr", [IMAGE], "yx", "0.4", name="0")
    zarr.open_group(tmp_path / "b.zarr", mode="a", zarr_format=2).attrs["bioformats2raw.layout"] = 3
    np.testing.assert_array_equal(pages(tmp_path / "b.zarr")[0], IMAGE)


def test_stores_are_reached_through_fsspec(membranes, tmp_path) -> None:
    import fsspec

    ome(zarr.storage.FsspecStore.from_url("memory://in.zarr"), [IMAGE], "yx", scale=[0.5, 0.5])
    np.testing.assert_array_equal(pages("memory://in.zarr")[0], IMAGE)
    membranes.segment_file("memory://in.zarr", tmp_path / "out.zarr")
    want = membranes.segment(IMAGE)
    np.testing.assert_array_equal(pages(tmp_path / "out.zarr")[0], want)
    membranes.segment_file("memory://in.zarr", "memory://out.zarr")
    np.testing.assert_array_equal(pages("memory://out.zarr")[0], want)
    with pytest.raises(FileExistsError, match="exists, and is never replaced"):
        membranes.segment_file("memory://in.zarr", "memory://out.zarr")
    with pytest.raises((ValueError, OSError), match=r"none\.zarr"):
        pages("memory://none.zarr")
    # A run that fails leaves what is no image.
    import pyengine

    with pytest.raises(pyengine.CancelledError):
        membranes.segment_file(
            "memory://in.zarr", "memory://cut.zarr", tile=16, progress=lambda done, total: False
        )
    assert not fsspec.filesystem("memory").exists("/cut.zarr/zarr.json")
    url = f"file://{tmp_path}/out.zarr"
    np.testing.assert_array_equal(pages(url)[0], want)


def test_the_command_line_takes_urls_and_folders(capsys, membranes, tmp_path) -> None:
    ome(tmp_path / "in" / "a.ome.zarr", [IMAGE], "yx")
    ome(tmp_path / "in" / "sub" / "plain", [IMAGE[::-1]], "yx", "0.4")
    assert [p.name for p in images_below(tmp_path / "in")] == ["a.ome.zarr", "plain"]
    out = tmp_path / "out"
    arguments = ["segment", "-e", "em-membranes", str(tmp_path / "in"), "-o", str(out), "--overlay"]
    assert main(arguments) == 0
    np.testing.assert_array_equal(pages(out / "a.ome.zarr")[0], membranes.segment(IMAGE))
    assert (out / "a.overlay.png").exists()
    capsys.readouterr()
    assert main([*arguments, "--resume"]) == 0
    assert "2 skipped" in capsys.readouterr().out
    url = ["memory://cli.zarr", "-o", "memory://cli-out.zarr"]
    ome(zarr.storage.FsspecStore.from_url("memory://cli.zarr"), [IMAGE], "yx")
    assert main(["segment", "-e", "em-membranes", *url]) == 0
    np.testing.assert_array_equal(pages("memory://cli-out.zarr")[0], membranes.segment(IMAGE))
    assert not Path("memory:").exists()
    assert main(["segment", "-e", "em-membranes", "memory://cli.zarr", "-o", "memory://x.zarr",
                 "--overlay"]) == 2  # fmt: skip
    assert "beside results is files" in capsys.readouterr().err


# --- what is written


def validated(path: Path, version: str):
    """The image, if ome-zarr-models finds nothing wrong with it."""
    import importlib

    module = importlib.import_module(f"ome_zarr_models.v{version.replace('.', '')}.image_label")
    return module.ImageLabel.from_zarr(zarr.open_group(path, mode="r"))


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_labels_are_by_the_specification(membranes, tmp_path, version) -> None:
    stack = RANDOM.integers(0, 256, (2, 3, 40, 53), np.uint8)
    ome(tmp_path / "a.zarr", [stack], "tzyx", version, [1, 3.0, 0.5, 0.25])
    membranes.segment_file(tmp_path / "a.zarr", tmp_path / "l.ome.zarr")
    image = validated(tmp_path / "l.ome.zarr", version)
    attributes = image.attributes.ome if version == "0.5" else image.attributes
    (pyramid,) = attributes.multiscales
    assert [a.name for a in pyramid.axes] == ["t", "z", "y", "x"]
    assert [a.unit for a in pyramid.axes][1:] == ["micrometer"] * 3
    assert pyramid.datasets[0].coordinateTransformations[0].scale == [1, 3.0, 0.5, 0.25]
    got = zarr.open_array(tmp_path / "l.ome.zarr", path="0", mode="r")
    assert got.metadata.zarr_format == (3 if version == "0.5" else 2)
    want = np.stack([membranes.segment(plane) for plane in stack.reshape(6, 40, 53)])
    np.testing.assert_array_equal(got[:], want.reshape(2, 3, 40, 53))
    with open_image(str(tmp_path / "l.ome.zarr"), 1) as reader:
        assert reader.calibration == Calibration(0.5, 0.25, "µm", 3.0)


def test_scores_have_an_axis_of_channels(membranes, tmp_path) -> None:
    stack = RANDOM.integers(0, 256, (3, 40, 53), np.uint8)
    ome(tmp_path / "a.zarr", [stack], "zyx")
    membranes.segment_file(tmp_path / "a.zarr", tmp_path / "p.zarr", output="probabilities")
    got = zarr.open_array(tmp_path / "p.zarr", path="0", mode="r")[:]
    for z in range(3):
        want = membranes.segment(stack[z], output="probabilities")
        np.testing.assert_array_equal(got[:, z], want)
    ome(tmp_path / "c.zarr", [RANDOM.integers(0, 256, (5, 40, 53), np.uint8)], "cyx")
    with pytest.raises(ValueError, match="OME-Zarr has axes T, C and Z, each once"):
        membranes.segment_file(tmp_path / "c.zarr", tmp_path / "q.zarr", output="probabilities")
    assert not (tmp_path / "q.zarr").exists()


@pytest.mark.parametrize("heights", [(1, 600, 99), (512, 188), (700,), (300, 300, 100)])
def test_bands_of_any_height_fill_chunks(tmp_path, heights) -> None:
    labels = RANDOM.integers(0, 5, (2, 700, 600), np.uint8)
    ends = np.cumsum(heights)

    def bands():
        for page in range(2):
            for begin, end in zip([0, *ends[:-1]], ends, strict=True):
                yield Band(page, int(begin), labels[page, begin:end])

    notes = {"laterality": "R"}
    result = Result((700, 600), labels.dtype, 2, True, notes=notes, classes=("a", "b"))
    save_result(Location(tmp_path / "l.zarr"), result, bands())
    volume = read_volume(tmp_path / "l.zarr")
    np.testing.assert_array_equal(volume.array, labels)
    with open_image(str(tmp_path / "l.zarr"), 1) as reader:
        assert reader.notes == notes


def test_a_folder_is_complete_or_absent(membranes, tmp_path) -> None:
    import pyengine

    ome(tmp_path / "a.zarr", [IMAGE], "yx")
    with pytest.raises(pyengine.CancelledError):
        membranes.segment_file(
            tmp_path / "a.zarr", tmp_path / "l.zarr", tile=16, progress=lambda done, total: False
        )
    assert [p.name for p in tmp_path.iterdir()] == ["a.zarr"]
    with pytest.raises(ValueError, match="would replace the input"):
        membranes.segment_file(tmp_path / "a.zarr", tmp_path / "a.zarr")
    (tmp_path / "mine.zarr").mkdir()
    with pytest.raises(FileExistsError, match="is a folder, which is never replaced"):
        membranes.segment_file(tmp_path / "a.zarr", tmp_path / "mine.zarr")
    with pytest.raises(ValueError, match="leave out the name"):
        membranes.segment_file(tmp_path / "a.zarr", f"{tmp_path}/l.zarr:/labels/a")


# --- what is refused


def edit(path: Path, change) -> None:
    content = json.loads((path / "zarr.json").read_text())
    change(content["attributes"]["ome"])
    (path / "zarr.json").write_text(json.dumps(content))


def climb(path: Path) -> None:
    """An image whose array is said to lie in a store beside it."""
    ome(path.with_name("b.zarr"), [IMAGE], "yx")
    ome(path, [IMAGE], "yx")
    edit(path, lambda o: o["multiscales"][0]["datasets"][0].update(path="../b.zarr/0"))


def wrong_metadata(path: Path) -> None:
    ome(path, [IMAGE], "yx")
    edit(path, lambda o: o["multiscales"][0].pop("axes"))


def old_version(path: Path) -> None:
    ome(path, [IMAGE], "yx", "0.4")
    attributes = zarr.open_group(path, mode="a", zarr_format=2).attrs
    attributes["multiscales"] = [{**attributes["multiscales"][0], "version": "0.3"}]


def damaged_chunk(path: Path) -> None:
    zarr.create_array(path, data=IMAGE, chunks=(16, 16), zarr_format=3)
    (path / "c" / "2" / "1").write_bytes(b"damaged")


def damaged_metadata(path: Path) -> None:
    path.mkdir()
    (path / "zarr.json").write_text('{"zarr_format": 3')


def missing_array(path: Path) -> None:
    ome(path, [IMAGE], "yx")
    shutil.rmtree(path / "0")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (climb, "'../b.zarr/0' leads out of the store"),
        (wrong_metadata, "its OME-Zarr metadata is wrong: multiscales.0.axes: Field required"),
        (old_version, "is OME-Zarr 0.3; 0.4 and 0.5 are read"),
        (damaged_chunk, "not a readable Zarr store"),
        (damaged_metadata, "not a readable Zarr store"),
        (missing_array, "not a readable Zarr store"),
        (lambda path: zarr.open_group(path, mode="w"), "it holds none"),
        (lambda path: zarr.create_array(path, shape=(4, 4), dtype="c8"), "complex64 are no pixels"),
        (lambda path: zarr.create_array(path, shape=(4,), dtype="u1"), "is not \\(H, W\\)"),
    ],
)
def test_what_is_not_taken_is_refused_in_one_line(tmp_path, make, words) -> None:
    make(tmp_path / "a.zarr")
    with pytest.raises((ValueError, OSError), match=words) as caught:
        pages(tmp_path / "a.zarr")
    assert str(caught.value).startswith(str(tmp_path / "a.zarr"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["../b.zarr/0", "0/../../b.zarr", "..", "x/..\\..\\y"])
def test_names_do_not_climb(tmp_path, name) -> None:
    climb(tmp_path / "a.zarr")
    with pytest.raises(ValueError, match="leads out of the store"):
        pages(f"{tmp_path}/a.zarr:/{name}")
