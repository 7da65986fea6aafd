"""Engines on a GPU; skipped with the reason where none can run plans."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from conftest import random_image

import pyengine

USABLE = [
    s for s in pyengine.executors() if s.name != "cpu" and not s.why_not and not s.why_no_build
]
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(
        not USABLE,
        reason="; ".join(
            f"{s.name}: {s.why_not or s.why_no_build}"
            for s in pyengine.executors()
            if s.name != "cpu"
        ),
    ),
]
# Values near a tie may fall either way: float16 moves logits of this network by less than this
# share of their range (the plan's own report says by how much on its samples).
TIE = 1e-2


@pytest.fixture(scope="module")
def engines(tmp_path_factory):
    path = tmp_path_factory.mktemp("gpu") / "vessels.pyengine"
    pyengine.build_plan("retinal-vessels", path, executor=USABLE[0].name, tile=256, batch_size=4)
    return pyengine.Engine(path, device="cuda"), pyengine.Engine(path, device="cpu")


def assert_same_but_for_ties(gpu, cpu, image, **options):
    logits = cpu.segment(image, output="logits")
    gap = np.abs(logits[1] - logits[0])
    differ = gpu.segment(image, **options) != cpu.segment(image)
    assert gap[differ].max(initial=0) <= TIE * np.ptp(logits)


def test_the_engine_says_what_computes(engines):
    gpu, _ = engines
    assert gpu.info.device == "cuda:0"
    assert gpu.info.executor == "tensorrt"
    assert USABLE[0].name in gpu.info.gpu
    assert gpu.info.why_not_gpu == ""


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (256, 256), (584, 565), (1200, 900)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_labels_are_those_of_the_cpu(engines, size, dtype):
    gpu, cpu = engines
    image = random_image(np.random.default_rng(1), *size, 3, np.uint8).astype(dtype)
    assert_same_but_for_ties(gpu, cpu, image)
    assert_same_but_for_ties(gpu, cpu, image, tile=64, batch_size=3)


def test_scores_are_near_those_of_the_cpu(engines):
    gpu, cpu = engines
    image = random_image(np.random.default_rng(2), 300, 401, 3)
    want = cpu.segment(image, output="logits")
    got = gpu.segment(image, output="logits")
    assert np.abs(got - want).max() <= TIE * np.ptp(want)
    probabilities = gpu.segment(image, output="probabilities")
    np.testing.assert_allclose(probabilities.sum(0), 1, atol=1e-5)


def test_the_result_does_not_depend_on_batches_or_threads(engines):
    gpu, _ = engines
    image = random_image(np.random.default_rng(3), 700, 650, 3)
    want = gpu.segment(image)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: gpu.segment(image), range(32)))
    assert all(np.array_equal(want, r) for r in results)


def test_bands_under_a_memory_limit(engines):
    gpu, _ = engines
    image = random_image(np.random.default_rng(4), 900, 300, 3)
    np.testing.assert_array_equal(gpu.segment(image), gpu.segment(image, max_memory=1))


def test_run_is_the_network(engines):
    gpu, cpu = engines
    x = np.random.default_rng(5).standard_normal((5, 3, 256, 256), dtype=np.float32)
    want = cpu.run(x)
    assert np.abs(gpu.run(x) - want).max() <= TIE * np.ptp(want)


def test_arrays_on_the_gpu_stay_there(engines):
    cupy = pytest.importorskip("cupy")
    gpu, _ = engines
    image = random_image(np.random.default_rng(6), 333, 400, 3)
    want = gpu.segment(image)
    labels = gpu.segment(cupy.asarray(image))
    assert isinstance(labels, pyengine.DeviceArray)
    np.testing.assert_array_equal(cupy.asnumpy(cupy.asarray(labels)), want)
    out = cupy.zeros(want.shape, np.uint8)
    assert gpu.segment(cupy.asarray(image), out=out) is out
    np.testing.assert_array_equal(cupy.asnumpy(out), want)


def test_dlpack_arrays_on_the_gpu_stay_there(engines):
    cupy = pytest.importorskip("cupy")
    gpu, _ = engines
    image = random_image(np.random.default_rng(7), 200, 301, 3)

    class OnlyDlpack:
        def __init__(self, array):
            self.__dlpack__, self.__dlpack_device__ = array.__dlpack__, array.__dlpack_device__

    labels = gpu.segment(OnlyDlpack(cupy.asarray(image)))
    np.testing.assert_array_equal(cupy.asnumpy(cupy.from_dlpack(labels)), gpu.segment(image))
    with pytest.raises(BufferError, match="no copy"):
        labels.__dlpack__(copy=True)
