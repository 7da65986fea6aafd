"""Engines and images as users of NumPy, pickle and multiprocessing expect them."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import pickle

import numpy as np
import pytest
from PIL import Image

import pyengine

IMAGE = np.random.default_rng(0).integers(0, 256, (50, 60), np.uint8)


@pytest.fixture(scope="module")
def engine() -> pyengine.Engine:
    return pyengine.Engine("em-membranes", threads=1)


@pytest.fixture(scope="module")
def labels(engine) -> np.ndarray:
    return engine.segment(IMAGE)


class Interface:
    """Anything with ``__array_interface__`` alone."""

    def __init__(self, array: np.ndarray) -> None:
        self.kept = array
        self.__array_interface__ = array.__array_interface__


def of_torch(array: np.ndarray) -> object:
    return pytest.importorskip("torch").from_numpy(array.copy())


def of_dask(array: np.ndarray) -> object:
    return pytest.importorskip("dask.array").from_array(array, chunks=16)


LIKE = {
    "__array_interface__": Interface, "torch": of_torch, "dask": of_dask,
    "Pillow": Image.fromarray, "memoryview": memoryview,
    "masked, nothing hidden": np.ma.masked_array,
    "Fortran order": np.asfortranarray, "turned": lambda a: np.ascontiguousarray(a.T).T,
    "reversed": lambda a: np.ascontiguousarray(a[::-1, ::-1])[::-1, ::-1],
    "matrix": lambda a: a.view(np.matrix) if hasattr(np, "matrix") else a,
}  # fmt: skip


@pytest.mark.parametrize("kind", LIKE)
@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_what_is_like_an_array_is_taken(engine, labels, kind) -> None:
    value = LIKE[kind](IMAGE)
    np.testing.assert_array_equal(engine.segment(value), labels)
    (batched,) = engine.segment_batch([value])
    np.testing.assert_array_equal(batched, labels)
    np.testing.assert_array_equal(engine.normalise(value), engine.normalise(IMAGE))


def test_a_tensor_is_not_copied() -> None:
    from pyengine.host_image import as_image

    tensor = of_torch(IMAGE)
    assert as_image(tensor).__array_interface__["data"][0] == tensor.data_ptr()
    assert as_image(IMAGE) is IMAGE


def refused() -> dict[str, tuple[object, type[Exception], str]]:
    hidden = np.ma.masked_array(IMAGE, mask=IMAGE > 250)
    return {
        "masked": (hidden, ValueError, "hides .* px.*image.filled"),
        "list": (IMAGE.tolist(), TypeError, "must be a numpy array, got list"),
        "palette": (Image.fromarray(IMAGE).convert("P"), ValueError, "mode 'P'.*convert"),
        "stack": (np.stack([IMAGE] * 2), ValueError, "stack of 2 images goes to segment_batch"),
        "stack of four axes": (np.stack([IMAGE[..., None]] * 2), ValueError, "segment_batch"),
        "float64": (IMAGE.astype(float), TypeError, r"got float64; convert it.*astype"),
        "text": ("a.png", TypeError, "must be a numpy array, got str"),
        "None": (None, TypeError, "must be a numpy array, got NoneType"),
    }


@pytest.mark.parametrize("kind", refused())
def test_what_is_not_taken_is_told_in_one_line(engine, kind) -> None:
    value, error, words = refused()[kind]
    with pytest.raises(error, match=words) as caught:
        engine.segment(value)
    assert "\n" not in str(caught.value)


def test_tensors_that_give_no_array(engine) -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match="a Tensor gives no array .*requires grad"):
        engine.segment(torch.zeros(9, 9, requires_grad=True))


def test_channels_first_is_told(make_engine) -> None:
    from torch import nn

    colour = make_engine(nn.Conv2d(3, 2, 1).eval(), (1, 3, 8, 8))
    with pytest.raises(ValueError, match=r"channels go last: pass numpy.moveaxis\(image, 0, -1\)"):
        colour.segment(np.zeros((3, 40, 50), np.uint8))


def test_a_batch_may_be_one_array(engine, labels) -> None:
    results = list(engine.segment_batch(np.stack([IMAGE, IMAGE[::-1]])))
    np.testing.assert_array_equal(results[0], labels)
    assert len(results) == 2


# ---- records ------------------------------------------------------------------------------------


def test_info_becomes_a_dict_json_and_a_pickle(engine) -> None:
    found = dataclasses.asdict(engine.info)
    assert found["input"]["channels"] == 1
    assert isinstance(found["manifest"], dict)
    assert json.loads(json.dumps(found))["classes"] == ["interior", "membrane"]
    again = pickle.loads(pickle.dumps(engine.info))
    assert again == engine.info
    with pytest.raises(TypeError):
        engine.info.input["channels"] = 3
    assert dict(engine.info.manifest) == found["manifest"]
    found["manifest"]["input"]["channels"] = 7
    assert engine.info.manifest["input"]["channels"] == 1


# ---- life -----------------------------------------------------------------------------------------


def test_a_pickled_engine_opens_the_same_file_with_the_same_options(engine, labels) -> None:
    again = pickle.loads(pickle.dumps(engine))
    assert again.info == engine.info
    np.testing.assert_array_equal(again.segment(IMAGE), labels)
    reproducible = pyengine.Engine("em-membranes", threads=2, accuracy="fast")
    made = pickle.loads(pickle.dumps(reproducible))
    assert (made.info.threads, repr(made)) == (2, repr(reproducible))


def test_engines_go_to_spawned_processes(engine, labels) -> None:
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        (got,) = pool.map(engine.segment, [IMAGE])
    np.testing.assert_array_equal(got, labels)


def test_engines_go_through_joblib(engine, labels) -> None:
    joblib = pytest.importorskip("joblib")
    jobs = [joblib.delayed(engine.segment)(image) for image in (IMAGE, IMAGE)]
    for got in joblib.Parallel(n_jobs=2)(jobs):
        np.testing.assert_array_equal(got, labels)


def test_a_closed_engine_says_so(tmp_path) -> None:
    with pyengine.Engine("em-membranes", threads=1) as opened:
        first = opened.segment(IMAGE)
    assert first.shape == IMAGE.shape
    opened.close()
    assert opened.info.classes == ("interior", "membrane")
    assert "em-membranes" in repr(opened)
    np.save(tmp_path / "a.npy", IMAGE)
    calls = [
        lambda: opened.segment(IMAGE), lambda: list(opened.segment_batch([IMAGE])),
        lambda: opened.plan(9, 9), lambda: opened.normalise(IMAGE),
        lambda: opened.run(np.zeros((1, 1, 16, 16), np.float32)),
        lambda: opened.profile(16, 16), lambda: opened.stream(9, 9), lambda: opened.classify(IMAGE),
        lambda: opened.segment_file(tmp_path / "a.npy", tmp_path / "o.npy"),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(ValueError, match=r"the engine of .*em-membranes\.pyengine is closed"):
            call()
    assert not (tmp_path / "o.npy").exists()
