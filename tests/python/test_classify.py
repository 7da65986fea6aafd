"""Classification in the core: resized, normalised and read as Pillow and NumPy do it."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import random_image
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL import __version__ as pillow_version
from torch import nn

import pyengine

STEPS = [{"name": "fixed_zero_mean_unit_variance", "mean": [90.0, 7.5], "std": [41.0, 3.3]}]
HEIGHT, WIDTH = 13, 9
OLD_PILLOW = int(pillow_version.split(".")[0]) < 13


def is_as_in_old_pillow(height: int, width: int) -> bool:
    """Whether Pillow 13 begins with rows, as older ones always did."""
    return not (height > HEIGHT and height - HEIGHT > 2 * (width - WIDTH))


def pillow_input(image: np.ndarray) -> np.ndarray:
    """What a network of HEIGHT x WIDTH px gets, by Pillow and NumPy."""
    planes = [
        np.asarray(
            Image.fromarray(plane.astype(np.float32)).resize(
                (WIDTH, HEIGHT), Image.Resampling.BILINEAR
            )
        )
        for plane in np.moveaxis(np.atleast_3d(image), 2, 0)
    ]
    gain = 1 / np.array(STEPS[0]["std"])
    offset = -np.array(STEPS[0]["mean"]) * gain
    scaled = np.stack(planes) * gain.astype(np.float32)[:, None, None]
    return scaled + offset.astype(np.float32)[:, None, None]


def classifier(folder, outputs: int, end: nn.Module | None = None, **options) -> str:
    net = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, outputs))
    path = folder / "classifier.pyengine"
    pyengine.build(
        net.append(end) if end else net, path, sample_shape=(1, 2, HEIGHT, WIDTH),
        task="classification", preprocessing=STEPS, **options,
    )  # fmt: skip
    return str(path)


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """Tells what the network of a classifier gets for an image."""
    batches = []

    def network(batch: np.ndarray) -> np.ndarray:
        batches.append(batch.copy())
        return np.zeros((1, 3), np.float32)

    path = classifier(tmp_path_factory.mktemp("seen"), 3)
    engine = pyengine.Engine(path, executor=network)

    def input_of(image: np.ndarray) -> np.ndarray:
        engine.classify(image)
        return batches.pop()[0]

    return input_of


@settings(deadline=None, max_examples=60)
@given(
    height=st.integers(1, 70), width=st.integers(1, 70),
    dtype=st.sampled_from([np.uint8, np.uint16, np.float32]), seed=st.integers(0, 1 << 16),
)  # fmt: skip
def test_images_are_resized_bit_for_bit_as_by_pillow(seen, height, width, dtype, seed) -> None:
    assume(not OLD_PILLOW or is_as_in_old_pillow(height, width))
    image = random_image(np.random.default_rng(seed), height, width, 2, dtype)
    np.testing.assert_array_equal(seen(image), pillow_input(image))


@pytest.mark.parametrize(
    "size",
    [
        (HEIGHT, WIDTH),
        (HEIGHT, 300),
        (700, WIDTH),
        (1, 1),
        (800, 801),
        (12, 10),
        (15, 10),
        (16, 10),
    ],
)
def test_sizes_at_the_edge_of_the_rules(seen, size) -> None:
    if OLD_PILLOW and not is_as_in_old_pillow(*size):
        pytest.skip("Pillow before 13 resizes in another order")
    image = random_image(np.random.default_rng(5), *size, 2)
    np.testing.assert_array_equal(seen(image), pillow_input(image))
    np.testing.assert_array_equal(seen(image[::-1, ::-1]), pillow_input(image[::-1, ::-1]))


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x.astype(np.float64) - x.max())
    return e / e.sum()


def sigmoid(x: np.ndarray) -> np.ndarray:
    one = 1 / (1 + np.exp(-x.astype(np.float64)))
    return np.concatenate([1 - one, one])


@pytest.mark.parametrize(
    ("outputs", "end", "activation", "head"),
    [
        (3, None, "softmax", softmax),
        (3, nn.Softmax(dim=1), None, softmax),
        (3, None, "none", lambda x: x),
        (1, None, "sigmoid", sigmoid),
        (1, nn.Sigmoid(), None, sigmoid),
    ],
)
def test_heads(tmp_path, outputs, end, activation, head) -> None:
    options = {"activation": activation} if activation else {}
    engine = pyengine.Engine(classifier(tmp_path, outputs, end, **options))
    image = random_image(np.random.default_rng(0), 20, 30, 2)
    raw = engine.run(pillow_input(image)[None]).reshape(-1)
    found = engine.classify(image)
    want = head(raw)
    if end is not None:  # the network's own outputs are probabilities
        want = raw if outputs > 1 else np.array([1 - raw[0], raw[0]])
    # float32: exp to a few units in the last place of numbers up to 1 (or logits, unchanged)
    np.testing.assert_allclose(found.probabilities, want, rtol=1e-6, atol=1e-7)
    assert found.probabilities.dtype == np.float32
    assert found.index == int(np.argmax(want))
    assert found.label == engine.info.classes[found.index]


def test_the_network_of_a_callable_is_read_alike(tmp_path) -> None:
    path = classifier(tmp_path, 3, nn.Softmax(dim=1))
    engine = pyengine.Engine(path)
    same = pyengine.Engine(path, executor=lambda batch: engine.run(batch).reshape(1, 3))
    image = random_image(np.random.default_rng(0), 20, 30, 2)
    # log and exp there and back, in float32
    np.testing.assert_allclose(
        same.classify(image).probabilities, engine.classify(image).probabilities, rtol=1e-5
    )


def test_bad_images(tmp_path) -> None:
    engine = pyengine.Engine(classifier(tmp_path, 3))
    with pytest.raises(ValueError, match="needs 2"):
        engine.classify(np.zeros((8, 8), np.uint8))
    with pytest.raises(TypeError, match="float64"):
        engine.classify(np.zeros((8, 8, 2)))
    image = np.zeros((8, 8, 2), np.float32)
    image[3, 4, 1] = np.nan
    with pytest.raises(ValueError, match="1 NaN or infinite values, the first at row 3, column 4"):
        engine.classify(image)


def test_normalise_is_what_the_file_says(membranes, tmp_path) -> None:
    image = random_image(np.random.default_rng(1), 21, 17)
    (step,) = membranes.info.input["preprocessing"]
    if step["name"] == "scale_linear":
        gain, offset = step["gain"][0], step["offset"][0]
    else:
        gain, offset = 1 / step["std"][0], -step["mean"][0] / step["std"][0]
    planes = membranes.normalise(image)
    assert (planes.shape, planes.dtype) == ((1, 21, 17), np.float32)
    np.testing.assert_allclose(planes[0], image * gain + offset, rtol=1e-6, atol=1e-6)
    with pytest.raises(ValueError, match="NaN"):
        membranes.normalise(np.full((3, 3), np.nan, np.float32))


def test_networks_with_more_than_one_output_are_no_classifiers(tmp_path) -> None:
    path = tmp_path / "dense.pyengine"
    net = nn.Conv2d(1, 2, 3)
    pyengine.build(net, path, sample_shape=(1, 1, 8, 8), task="classification")
    with pytest.raises(pyengine.UnsupportedError, match="6 x 6 outputs per class"):
        pyengine.Engine(path).classify(np.zeros((8, 8), np.uint8))
