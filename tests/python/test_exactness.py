"""The exactness contract: nobody can tell that tiles were used."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conftest import random_image
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

import pyengine
from pyengine import _core
from train.models import UNet, UNetConfig, build_network

REFLECT, REPLICATE, CONSTANT = _core.PaddingMode.__members__.values()
RELAXED = settings(
    deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="session")
def unets(tmp_path_factory) -> dict[tuple[int, str], str]:
    """U-Nets of depth 1 to 4, valid and same, with random weights."""
    folder = tmp_path_factory.mktemp("unets")
    paths = {}
    for depth in (1, 2, 3, 4):
        for padding in ("valid", "same"):
            torch.manual_seed(depth)
            config = UNetConfig(base_width=4, depth=depth, classes=3, padding=padding)
            side = config.output_size(20) + 2 * config.margin
            path = folder / f"{padding}{depth}.pyengine"
            pyengine.build(UNet(config).eval(), path, sample_shape=(1, 1, side, side))
            paths[depth, padding] = str(path)
    return paths


@pytest.fixture(scope="session")
def two_scales(tmp_path_factory) -> str:
    """A network that also looks at half the image: a branch with a grid and a halo of its own."""
    config = UNetConfig(base_width=16, depth=2, classes=2, padding="same", scales=2)
    torch.manual_seed(5)
    path = tmp_path_factory.mktemp("scales") / "two.pyengine"
    pyengine.build(build_network(config).eval(), path, sample_shape=(1, 1, 64, 64))
    return str(path)


def one_tile(engine: pyengine.Engine, image: np.ndarray, output: str) -> np.ndarray:
    height, width = image.shape[:2]
    plan = engine.plan(height, width, tile=(height, width), max_memory=1 << 32)
    assert plan.grid == (1, 1)
    return engine.segment(image, tile=(height, width), output=output, max_memory=1 << 32)


@RELAXED
@given(
    depth=st.integers(1, 4),
    padding=st.sampled_from(["valid", "same"]),
    height=st.integers(1, 700),
    width=st.integers(1, 700),
    tile=st.tuples(st.integers(1, 400), st.integers(1, 400)),
    batch_size=st.integers(1, 5),
    threads=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_tiles_equal_one_tile_bit_for_bit(
    unets, depth, padding, height, width, tile, batch_size, threads, seed
) -> None:
    # Small tiles on large images only repeat the same work: bound the count.
    tile = (max(tile[0], height // 8), max(tile[1], width // 8))
    image = random_image(np.random.default_rng(seed), height, width)
    engine = pyengine.Engine(unets[depth, padding], threads=threads)
    tiled = engine.segment(image, tile=tile, batch_size=batch_size, output="logits")
    single = pyengine.Engine(unets[depth, padding], threads=1)
    np.testing.assert_array_equal(tiled, one_tile(single, image, "logits"))


@RELAXED
@given(
    height=st.integers(1, 300),
    width=st.integers(1, 300),
    tile=st.tuples(st.integers(40, 300), st.integers(40, 300)),
    threads=st.integers(1, 2),
)
def test_a_network_of_two_scales_tiles_exactly(two_scales, height, width, tile, threads) -> None:
    image = random_image(np.random.default_rng(height), height, width)
    engine = pyengine.Engine(two_scales, threads=threads)
    tiled = engine.segment(image, tile=tile, output="logits")
    np.testing.assert_array_equal(tiled, one_tile(engine, image, "logits"))


@pytest.mark.parametrize("accuracy", ["default", "fast"])
@pytest.mark.parametrize("system", ["em-membranes", "retinal-vessels"])
@settings(RELAXED, max_examples=12)
@given(tiles=st.integers(1, 3), excess=st.integers(1, 40), other=st.integers(40, 200))
def test_blocks_cut_by_the_images_end_are_cut_alike_in_tiles(
    system, accuracy, tiles, excess, other
) -> None:
    # All 3x3 layers of these compute blocks of 4x4 or 6x6. The last tile is small, so that blocks
    # of the one before it reach the image's end too.
    engine = pyengine.Engine(system, threads=2, accuracy=accuracy)
    tile = engine.plan(4096, 4096, tile=1).tile[0]
    size = (tiles * tile + excess, other)
    channels = () if system == "em-membranes" else (3,)
    image = np.random.default_rng(excess).integers(0, 256, (*size, *channels), np.uint8)
    whole = engine.segment(image, tile=size, output="logits")
    np.testing.assert_array_equal(engine.segment(image, tile=tile, output="logits"), whole)


def test_fast_rounds_more_but_not_much(membranes) -> None:
    image = random_image(np.random.default_rng(3), 300, 300)
    want = membranes.segment(image, output="logits")
    fast = pyengine.Engine("em-membranes", accuracy="fast")
    got = fast.segment(image, output="logits")
    assert not np.array_equal(got, want)
    bound = 1e-4 if fast.info.isa == "amx" else 1e-5
    assert np.sqrt(((got - want) ** 2).mean() / (want**2).mean()) < bound
    assert (got.argmax(axis=0) != want.argmax(axis=0)).mean() < 1e-4
    with pytest.raises(
        ValueError, match="accuracy must be one of default, fast, reproducible; got 'best'"
    ):
        pyengine.Engine("em-membranes", accuracy="best")
    with pytest.raises(ValueError, match="belongs to the CPU engine"):
        pyengine.Engine("em-membranes", accuracy="fast", executor=lambda x: x)


@pytest.mark.parametrize("accuracy", ["default", "fast"])
@pytest.mark.parametrize("isa", _core.isas(fast=True))
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_every_instruction_set_is_exact(unets, isa, accuracy, padding, monkeypatch) -> None:
    monkeypatch.setenv("PYENGINE_ISA", isa)
    if isa not in _core.isas(fast=accuracy == "fast"):
        with pytest.raises(pyengine.UnsupportedError, match="'amx' rounds more .* \"fast\""):
            pyengine.Engine(unets[2, padding], accuracy=accuracy)
        return
    engine = pyengine.Engine(unets[2, padding], threads=2, accuracy=accuracy)
    assert engine.info.isa == isa
    image = random_image(np.random.default_rng(1), 75, 61, dtype=np.float32)
    whole = one_tile(engine, image, "logits")
    for tile in (4, 20, (8, 64)):
        np.testing.assert_array_equal(engine.segment(image, tile=tile, output="logits"), whole)


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("size", [(1, 1), (1, 90), (37, 2), (50, 61)])
def test_segmentation_is_the_network_on_the_mirrored_image(unets, depth, padding, size) -> None:
    """The definition itself, with numpy.pad as the mirror and run() as the network."""
    engine = pyengine.Engine(unets[depth, padding])
    align, margin = engine.info.alignment, engine.info.margin
    halo = margin if padding == "valid" else engine.info.halo
    image = random_image(np.random.default_rng(2), *size)
    want_size = engine.info.input["sample_size_px"][0] % align
    pads = []
    for n in size:
        after = halo + engine.info.halo  # enough context, then up to a size the network accepts
        after += (want_size - (n + halo + after)) % align
        pads.append((halo, after))
    padded = np.pad(image, pads, mode="reflect" if min(size) > 1 else "wrap")
    if min(size) == 1:  # numpy refuses to mirror a single pixel; both repeat it
        index = [
            _core.border_indices(-p[0], n + p[1], n, REFLECT)
            for n, p in zip(size, pads, strict=True)
        ]
        padded = image[np.ix_(*index)]
    want = engine.run(padded[None, None].astype(np.float32))
    start = 0 if padding == "valid" else halo
    want = want[0, :, start : start + size[0], start : start + size[1]]
    # Convolutions by blocks of pixels round differently where a block is cut by the plane's end.
    got = engine.segment(image, output="logits", tile=16)
    np.testing.assert_allclose(got, want, rtol=0, atol=2e-5 * np.abs(want).max())


@given(size=st.integers(2, 40), before=st.integers(0, 200), after=st.integers(0, 200))
def test_mirror_equals_numpy_also_when_it_exceeds_the_image(size, before, after) -> None:
    line = np.arange(size)
    got = _core.border_indices(-before, size + after, size, REFLECT)
    np.testing.assert_array_equal(got, np.pad(line, (before, after), mode="reflect"))
    got = _core.border_indices(-before, size + after, size, REPLICATE)
    np.testing.assert_array_equal(got, np.pad(line, (before, after), mode="edge"))


def test_one_pixel_repeats_itself() -> None:
    assert _core.border_indices(-5, 6, 1, REFLECT) == [0] * 11


@RELAXED
@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    tile=st.integers(1, 40),
    batch_size=st.integers(1, 4),
    mode=st.sampled_from(["exact", "constant", "gaussian"]),
)
def test_identity_network_returns_the_image(
    tmp_path_factory, height, width, tile, batch_size, mode
):
    """A callable that returns its input: what comes out is what went in, in every mode."""
    path = tmp_path_factory.getbasetemp() / "identity.pyengine"
    if not path.exists():
        conv = nn.Conv2d(1, 1, 1)
        nn.init.ones_(conv.weight)
        nn.init.zeros_(conv.bias)
        pyengine.build(conv, path, sample_shape=(1, 1, 8, 8), activation="none")
    image = random_image(np.random.default_rng(height), height, width, dtype=np.float32)
    for executor in ("cpu", lambda batch: batch):
        engine = pyengine.Engine(path, executor=executor)
        got = engine.segment(
            image, tile=tile, batch_size=batch_size, mode=mode, overlap=0.5, output="logits"
        )[0]
        if mode == "exact":
            np.testing.assert_array_equal(got, image)
        else:
            # Weighted means of equal values: a few roundings of float32 each.
            np.testing.assert_allclose(got, image, rtol=3e-6, atol=1e-7)


def test_a_callable_behind_the_tiler_gives_the_same_as_the_cpu_engine(unets) -> None:
    for key in ((2, "valid"), (3, "same")):
        engine = pyengine.Engine(unets[key])
        other = pyengine.Engine(unets[key], executor=engine.run)
        image = random_image(np.random.default_rng(4), 83, 130)
        want = engine.segment(image, output="logits")
        got = other.segment(image, output="logits", tile=32, batch_size=3)
        # Blocks of pixels that round together lie elsewhere in the callable's windows.
        np.testing.assert_allclose(got, want, rtol=0, atol=2e-5 * np.abs(want).max())


@pytest.mark.parametrize("mode", ["constant", "gaussian"])
def test_bands_and_batches_of_windows_are_the_whole_result(membranes, tmp_path, mode) -> None:
    """Files go by bands of several windows; those that two bands share are computed for both."""
    image = random_image(np.random.default_rng(6), 700, 90)
    options: dict = dict(mode=mode, tile=64, overlap=0.4)
    want = membranes.segment(image, output="logits", **options)
    batched = membranes.segment(image, output="logits", batch_size=3, **options)
    np.testing.assert_array_equal(batched, want)
    np.save(tmp_path / "in.npy", image)
    told = []
    membranes.segment_file(
        tmp_path / "in.npy", tmp_path / "out.npy", output="logits",
        progress=lambda done, total: told.append((done, total)), **options,
    )  # fmt: skip
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), want)
    assert told[-1] == (3, 3)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    with pytest.raises(pyengine.CancelledError):
        membranes.segment_file(
            tmp_path / "in.npy", tmp_path / "no.npy", progress=lambda done, total: False, **options
        )
    assert not (tmp_path / "no.npy").exists()


@pytest.mark.parametrize("mode", ["constant", "gaussian"])
@pytest.mark.parametrize("overlap", [0, 0.25, 0.6, 17])
def test_blending_equals_exact_for_valid_convolutions(make_engine, mode, overlap) -> None:
    """Every window sees the full context and there is no pooling grid: only rounding remains."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 8, 5), nn.ReLU(), nn.Conv2d(8, 3, 3))
    engine = make_engine(net, (1, 1, 20, 20))
    image = random_image(np.random.default_rng(5), 97, 143, dtype=np.float32)
    exact = engine.segment(image, output="logits")
    blended = engine.segment(image, output="logits", mode=mode, tile=(40, 33), overlap=overlap)
    # A weighted mean of equal values: at most 16 windows, each with two roundings of 6e-8.
    np.testing.assert_allclose(blended, exact, rtol=0, atol=4e-6 * np.abs(exact).max())


def test_dtypes_strides_and_channels_do_not_change_the_result(make_engine) -> None:
    torch.manual_seed(0)
    engine = make_engine(
        UNet(UNetConfig(in_channels=3, base_width=4, depth=2, classes=2)).eval(), (1, 3, 60, 60)
    )
    image = random_image(np.random.default_rng(6), 50, 70, 3)
    want = engine.segment(image, output="logits")
    for same in (
        image.astype(np.uint16),
        image.astype(np.float32),
        np.asfortranarray(image),
        np.repeat(image, 2, axis=1)[:, ::2],
        image[::-1][::-1],
        np.ascontiguousarray(image.transpose(2, 0, 1)).transpose(1, 2, 0),
    ):
        before = same.copy()
        np.testing.assert_array_equal(engine.segment(same, output="logits"), want)
        np.testing.assert_array_equal(same, before)
    flipped = engine.segment(image[:, ::-1], output="labels")
    np.testing.assert_array_equal(
        flipped, engine.segment(np.ascontiguousarray(image[:, ::-1]), output="labels")
    )


def test_outputs_are_consistent(unets) -> None:
    engine = pyengine.Engine(unets[2, "same"])
    image = random_image(np.random.default_rng(7), 60, 41)
    logits = engine.segment(image, output="logits")
    probabilities = engine.segment(image, output="probabilities")
    labels = engine.segment(image)
    assert labels.dtype == np.uint8
    assert probabilities.dtype == logits.dtype == np.float32
    np.testing.assert_array_equal(labels, logits.argmax(0))
    np.testing.assert_allclose(probabilities, torch.softmax(torch.tensor(logits), 0), atol=1e-6)


def test_padding_modes_differ_only_near_the_border(unets) -> None:
    engine = pyengine.Engine(unets[1, "valid"])
    image = random_image(np.random.default_rng(8), 80, 80)
    want, halo = engine.segment(image, output="logits"), engine.info.halo
    for mode in ("replicate", "constant"):
        got = engine.segment(image, output="logits", padding_mode=mode)
        inner = (slice(None), slice(halo, -halo), slice(halo, -halo))
        np.testing.assert_array_equal(got[inner], want[inner])
        assert (got != want).any()


def test_a_network_of_the_whole_image_runs_in_one_piece_or_is_refused(make_engine) -> None:
    from test_operators import Op, SqueezeExcite

    torch.manual_seed(0)
    engine = make_engine(Op(SqueezeExcite(5)).eval(), (1, 3, 32, 32))
    assert not engine.info.tileable
    assert "averages over the whole image" in engine.info.not_tileable_reason
    image = random_image(np.random.default_rng(9), 40, 30, 3)
    planes = np.ascontiguousarray(np.moveaxis(image, 2, 0)[None].astype(np.float32))
    np.testing.assert_array_equal(engine.segment(image, output="logits"), engine.run(planes)[0])
    with pytest.raises(pyengine.UnsupportedError, match="no exact tiles.*averages"):
        engine.segment(image, tile=16)
    np.testing.assert_array_equal(engine.segment(image, max_memory=1), engine.segment(image))
    assert engine.segment(image, tile=16, mode="gaussian").shape == (40, 30)
