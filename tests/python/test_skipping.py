"""What need not be computed is not, and nobody can tell from the result."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

import pyengine
from pyengine.foreground import CELL_PX, thumbnail
from train.models import UNet, UNetConfig

RELAXED = settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="session")
def networks(tmp_path_factory) -> dict[str, str]:
    """Small networks: valid and same, wide enough for Winograd, of several channels."""
    folder = tmp_path_factory.mktemp("networks")
    paths = {}
    for name, channels, config in [
        ("valid", 1, UNetConfig(base_width=4, depth=2, classes=3, padding="valid")),
        ("same", 1, UNetConfig(base_width=16, depth=1, classes=2, padding="same")),
        ("deep", 1, UNetConfig(base_width=4, depth=3, classes=2, padding="same")),
    ]:
        torch.manual_seed(len(name))
        side = config.output_size(20) + 2 * config.margin
        paths[name] = str(folder / f"{name}.pyengine")
        pyengine.build(UNet(config).eval(), paths[name], sample_shape=(1, channels, side, side))
    torch.manual_seed(0)
    colour = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(),
        nn.Conv2d(16, 2, 1),
    ).eval()  # fmt: skip
    paths["colour"] = str(folder / "colour.pyengine")
    pyengine.build(colour, paths["colour"], sample_shape=(1, 3, 32, 32))
    return paths


def same_bits(a: np.ndarray, b: np.ndarray) -> None:
    np.testing.assert_array_equal(a.view(np.uint32), b.view(np.uint32))


@RELAXED
@given(
    name=st.sampled_from(["valid", "same", "deep", "colour"]),
    height=st.integers(1, 1300),
    width=st.integers(1, 1300),
    tile=st.one_of(st.none(), st.tuples(st.integers(64, 700), st.integers(64, 700))),
    batch_size=st.integers(1, 3),
    padding=st.sampled_from(["reflect", "replicate", "constant"]),
    background=st.sampled_from([0.0, -0.0, 1.0, 255.0, -3.5, 1e30]),
    box=st.tuples(*[st.floats(0, 1)] * 4),
)
def test_repeated_tiles_have_the_bits_of_computed_ones(
    networks, name, height, width, tile, batch_size, padding, background, box
) -> None:
    shape = (height, width, 3) if name == "colour" else (height, width)
    image = np.full(shape, background, np.float32)
    if name == "colour":
        image[..., 1] += 1
    rows = sorted((int(box[0] * height), int(box[1] * height)))
    columns = sorted((int(box[2] * width), int(box[3] * width)))
    part = image[rows[0] : rows[1], columns[0] : columns[1]]
    part[...] = np.random.default_rng(height).standard_normal(part.shape)
    engine = pyengine.Engine(networks[name], threads=2)
    options = dict(
        output="logits", tile=tile, batch_size=batch_size, padding_mode=padding, max_memory=1 << 26
    )
    pixels: list[tuple[int, int, int]] = []
    with np.errstate(over="ignore"):
        first = engine.segment(image, report=lambda *n: pixels.append(n), **options)
        again = engine.segment(image, **options)
        every = engine.segment(image, every_tile=True, **options)
    same_bits(first, every)
    same_bits(again, every)
    assert len(pixels) == 1
    assert sum(pixels[0]) >= height * width


def test_a_sign_of_zero_is_not_repeated(networks) -> None:
    image = np.zeros((1, 600), np.float32)
    image[:, 300:] = -0.0
    engine = pyengine.Engine(networks["same"], threads=1)
    same_bits(
        engine.segment(image, output="logits", tile=64),
        engine.segment(image, output="logits", tile=64, every_tile=True),
    )


def test_values_that_preprocessing_makes_count(networks, tmp_path) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 1)).eval()
    path = tmp_path / "z.pyengine"
    steps = [{"name": "zero_mean_unit_variance"}]
    pyengine.build(module, path, sample_shape=(1, 1, 32, 32), preprocessing=steps)
    engine = pyengine.Engine(path, threads=1)
    image = np.full((900, 900), 7, np.uint8)
    image[:40, :40] = 200
    counts: list[tuple[int, int, int]] = []
    for value in (0, 90, 7):
        image[40:, 40:] = value
        got = engine.segment(image, output="logits", tile=256, report=lambda *n: counts.append(n))
        same_bits(got, engine.segment(image, output="logits", tile=256, every_tile=True))
    assert counts[0][1] > 0


def test_most_of_an_empty_image_is_repeated(membranes) -> None:
    image = np.full((2000, 2000), 255, np.uint8)
    image[:100, :100] = 3
    counts: list[tuple[int, int, int]] = []
    membranes.segment(image, tile=512, report=lambda *n: counts.append(n))
    ((computed, repeated, background),) = counts
    assert computed + repeated == 2000 * 2000
    assert background == 0
    assert computed < 0.45 * 2000 * 2000
    membranes.segment(image, tile=512, report=lambda *n: counts.append(n))
    assert counts[1][0] < computed  # constants are remembered


def test_what_is_remembered_is_counted_and_trimmed(networks) -> None:
    engine = pyengine.Engine(networks["same"], threads=1)
    engine.segment(np.zeros((600, 600), np.uint8), tile=256)
    assert engine.memory().idle_bytes > 0
    engine.trim()
    assert engine.memory().idle_bytes == 0


def test_networks_of_ones_own_compute_every_tile(networks) -> None:
    calls = []

    def network(x: np.ndarray) -> np.ndarray:
        calls.append(len(x))
        return np.concatenate([x, -x], 1).astype(np.float32)

    module = nn.Conv2d(1, 2, 1)
    with torch.no_grad():
        module.weight[:] = torch.tensor([1.0, -1.0]).reshape(2, 1, 1, 1)
        module.bias[:] = 0
    path = networks["same"].replace("same", "own")
    pyengine.build(module.eval(), path, sample_shape=(1, 1, 32, 32))
    engine = pyengine.Engine(path, executor=network)
    engine.segment(np.zeros((64, 64), np.uint8), tile=64)
    before = sum(calls)
    engine.segment(np.zeros((256, 256), np.uint8), tile=64)
    assert sum(calls) == before + 16


# ---- masks ----------------------------------------------------------------------------------------


def test_a_mask_leaves_cells_out(membranes) -> None:
    image = np.random.default_rng(0).integers(0, 256, (700, 900), np.uint8)
    whole = membranes.segment(image)
    mask = np.zeros((700, 900), bool)
    mask[300, 600] = True
    counts: list[tuple[int, int, int]] = []
    got = membranes.segment(image, mask=mask, tile=256, report=lambda *n: counts.append(n))
    expected = np.zeros_like(whole)
    cell = slice(256, 512), slice(512, 768)
    expected[cell] = whole[cell]
    np.testing.assert_array_equal(got, expected)
    assert counts[0][2] == 700 * 900 - CELL_PX * CELL_PX
    # The result depends on no tiles, and neither on the size of the mask.
    small = np.zeros((7, 9), np.uint8)
    small[3, 6] = 1
    np.testing.assert_array_equal(membranes.segment(image, mask=small)[cell], whole[cell])
    for tile in (128, 700):
        np.testing.assert_array_equal(membranes.segment(image, mask=mask, tile=tile), expected)


def test_probabilities_outside_a_mask_are_background(membranes) -> None:
    image = np.random.default_rng(0).integers(0, 256, (300, 300), np.uint8)
    got = membranes.segment(image, mask=np.eye(2)[:1] > 0, output="probabilities")
    assert (got[0, :256, :256] != 1).any()
    np.testing.assert_array_equal(got[0, :, 256:], 1)
    empty = membranes.segment(image, mask=np.zeros((1, 1)), output="probabilities")
    np.testing.assert_array_equal(empty[0], 1)
    np.testing.assert_array_equal(empty[1:], 0)
    with pytest.raises(pyengine.UnsupportedError, match="foreground"):
        membranes.segment(image, mask=np.ones((1, 1)), output="logits")


@pytest.mark.parametrize("options", [{"mode": "gaussian"}, {"tta": "flips"}, {"tta": "d4"}])
def test_masks_hold_in_every_mode(membranes, options) -> None:
    image = np.random.default_rng(0).integers(0, 256, (260, 520), np.uint8)
    whole = membranes.segment(image, **options)
    whole[:, :512] = 0
    whole[256:] = 0
    mask = np.zeros(image.shape)
    mask[0, 519] = 1
    np.testing.assert_array_equal(membranes.segment(image, mask=mask, **options), whole)


def test_masks_that_are_none_are_refused(membranes) -> None:
    image = np.zeros((32, 32), np.uint8)
    for mask in (np.zeros(3), np.zeros((0, 2)), np.array([["a"]])):
        with pytest.raises(ValueError, match="mask"):
            membranes.segment(image, mask=mask)


def test_a_callable_sees_a_thumbnail(membranes) -> None:
    image = np.zeros((100, 5000), np.uint8)
    image[:, 2500:] = 90
    seen = []

    def bright(small: np.ndarray) -> np.ndarray:
        seen.append(small)
        return small > 40

    got = membranes.segment(image, mask=bright)
    assert seen[0].shape == (34, 1667)
    assert seen[0].dtype == np.uint8
    assert seen[0].max() == 90
    assert not got[:, : 2500 // CELL_PX * CELL_PX].any()


def test_a_thumbnail_is_of_means() -> None:
    image = np.random.default_rng(0).integers(0, 256, (4097, 30, 3), np.uint8)
    small = thumbnail(image.shape, lambda a, b: image[a:b])
    assert small.shape == (1366, 10, 3)
    assert small[0, 0, 1] == np.rint(image[:3, :3, 1].mean())


def test_tissue_is_what_otsu_says() -> None:
    image = np.full((60, 60, 3), 250, np.uint8)
    image[10:30, 10:30] = (180, 90, 150)
    mask = pyengine.tissue(image)
    assert mask.sum() == 400
    assert mask[20, 20]
    assert pyengine.tissue(255 - image, bright=True).sum() == 400
    assert pyengine.tissue(np.zeros((4, 4), np.uint8)).all()


# ---- regions and masks of files -------------------------------------------------------------------


@pytest.fixture(scope="module")
def slide() -> np.ndarray:
    image = np.full((3000, 420), 255, np.uint8)
    image[500:900] = np.random.default_rng(1).integers(0, 200, (400, 420), np.uint8)
    return image


@pytest.mark.parametrize(
    "options",
    [{}, {"tile": 128}, {"mode": "gaussian", "tile": 128}, {"tta": "flips"}],
    ids=["chosen", "tiles", "windows", "turned"],
)
def test_a_region_of_a_file_is_the_crop_of_the_whole(membranes, tmp_path, slide, options) -> None:
    image = slide[400:1300]
    np.save(tmp_path / "in.npy", image)
    whole = membranes.segment(image, output="logits", **options)
    for region in [(0, 0, 900, 420), (130, 10, 333, 200), (899, 419, 1, 1), (64, 0, 64, 420)]:
        membranes.segment_file(
            tmp_path / "in.npy", tmp_path / "out.npy", output="logits", region=region, **options
        )
        top, left, height, width = region
        np.testing.assert_array_equal(
            np.load(tmp_path / "out.npy"), whole[:, top : top + height, left : left + width]
        )


def test_only_the_rows_of_a_region_are_read(membranes, tmp_path, slide, monkeypatch) -> None:
    from pyengine import segment_file
    from pyengine.formats.registry import open_image

    np.save(tmp_path / "in.npy", slide)
    asked = []

    def watched(*args, **kwargs):
        reader = open_image(*args, **kwargs)
        rows = reader.rows
        reader.rows = lambda page, a, b: asked.append((a, b)) or rows(page, a, b)
        return reader

    monkeypatch.setattr(segment_file, "open_image", watched)
    membranes.segment_file(
        tmp_path / "in.npy", tmp_path / "out.npy", region=(1500, 10, 20, 20), tile=64
    )
    assert min(a for a, _ in asked) > 1200
    assert max(b for _, b in asked) < 1800


def test_masks_and_reports_of_files(membranes, tmp_path, slide) -> None:
    np.save(tmp_path / "in.npy", slide)
    counts: list[tuple[int, int, int]] = []
    membranes.segment_file(
        tmp_path / "in.npy", tmp_path / "out.npy", mask=pyengine.tissue, tile=256,
        report=lambda *n: counts.append(n),
    )  # fmt: skip
    expected = membranes.segment(slide, mask=pyengine.tissue)
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), expected)
    assert len(counts) == 1
    assert sum(counts[0]) == slide.size
    assert counts[0][2] > slide.size // 2


def test_a_region_outside_of_a_file_is_refused(membranes, tmp_path) -> None:
    np.save(tmp_path / "in.npy", np.zeros((30, 40), np.uint8))
    with warnings.catch_warnings(), pytest.raises(ValueError, match="region"):
        membranes.segment_file(tmp_path / "in.npy", tmp_path / "out.npy", region=(0, 0, 31, 1))
    assert [p.name for p in tmp_path.iterdir()] == ["in.npy"]
