"""Arrays in files are read as NumPy slices them; a file that shrinks is an error, no signal."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from pyengine.formats import open_image
from pyengine.formats.file_array import FileArray


@st.composite
def arrays_and_keys(draw) -> tuple[np.ndarray, tuple, bool]:
    shape = tuple(draw(st.lists(st.integers(1, 6), min_size=1, max_size=5)))
    key = []
    for n in shape:
        first = draw(st.integers(0, n - 1))
        kinds = [first, slice(None), slice(first, draw(st.integers(first + 1, n)))]
        key.append(draw(st.sampled_from(kinds)))
    dtype = draw(st.sampled_from(["u1", "<u2", ">u2", ">f4", "<f8"]))
    array = np.arange(np.prod(shape)).astype(dtype).reshape(shape)
    return array, tuple(key[: draw(st.integers(1, len(key)))]), draw(st.booleans())


@settings(max_examples=300, deadline=None)
@given(arrays_and_keys())
def test_slices_are_numpys(tmp_path_factory, case) -> None:
    array, key, fortran = case
    path = tmp_path_factory.mktemp("a") / "a"
    path.write_bytes(b"head" + array.tobytes("F" if fortran else "C"))
    found = FileArray(path, 4, array.shape, array.dtype, fortran)
    np.testing.assert_array_equal(found[key], array[key])
    assert np.asarray(found[key]).ndim == 0 or found[key].dtype == array.dtype
    found.close()


def write_npy(path: Path, image: np.ndarray) -> None:
    np.save(path, image)


def write_one_page(path: Path, image: np.ndarray) -> None:
    tifffile.imwrite(path, np.stack([image] * 3), truncate=True, photometric="minisblack")


@pytest.mark.parametrize(
    ("name", "write"),
    [("a.npy", write_npy), ("a.tif", write_one_page), ("plain.tif", tifffile.imwrite)],
)
def test_a_file_that_shrinks_is_an_error(membranes, tmp_path, name, write) -> None:
    path = tmp_path / name
    write(path, np.zeros((300, 200), np.uint8))
    with open_image(str(path), 1) as reader:
        assert reader.rows(0, 0, 100).shape == (100, 200)
        os.truncate(path, 5000)
        with pytest.raises(OSError, match=rf"{name}: not a readable .*ends in the middle"):
            reader.rows(0, 100, 300)
    write(path, np.zeros((300, 200), np.uint8))

    def cut(done: int, total: int) -> None:
        if done:
            os.truncate(path, 5000)

    with pytest.raises(OSError, match=f"{name}: not a readable"):
        membranes.segment_file(path, tmp_path / "out.npy", tile=16, progress=cut)
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_file_that_grows_is_read_as_it_began(membranes, tmp_path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (90, 80), np.uint8)
    for name in ("a.npy", "a.tif"):
        path = tmp_path / name
        np.save(path, image) if name == "a.npy" else tifffile.imwrite(path, image)

        def grow(done: int, total: int, path: Path = path) -> None:
            with path.open("ab") as file:
                file.write(b"more" * 100)

        membranes.segment_file(path, tmp_path / "out.npy", tile=16, progress=grow)
        np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), membranes.segment(image))


def test_objects_are_never_unpickled(tmp_path) -> None:
    np.save(tmp_path / "a.npy", np.array([[{}]]), allow_pickle=True)
    with pytest.raises(ValueError, match=r"a\.npy: holds Python objects, which are no pixels"):
        open_image(str(tmp_path / "a.npy"), 1)
