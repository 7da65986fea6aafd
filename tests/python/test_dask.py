"""Dask arrays and schedulers give the bits of one call."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import random_image
from PIL import Image

import pyengine
from pyengine.cli import main

pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")

import dask.array  # noqa: E402

from pyengine.dask import segment  # noqa: E402

OPTIONS = {"threads": 1}


@pytest.fixture(scope="module")
def cluster():
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        yield cluster


@pytest.mark.parametrize("engine", ["em-membranes", "retinal-vessels"])
@pytest.mark.parametrize("chunks", [(100, 333), (700, 50)])
def test_blocks_have_the_bits_of_the_whole(engine, chunks) -> None:
    opened = pyengine.Engine(engine)
    channels = opened.info.input["channels"]
    image = random_image(np.random.default_rng(1), 610, 777, channels)
    lazy = dask.array.from_array(image, chunks=(*chunks, channels)[: image.ndim])
    for block, output in [(64, "logits"), (256, "labels"), (2048, "probabilities")]:
        if block == 64:  # many blocks: a part of them tells
            got = segment(lazy, opened, output=output, block=block, threads=1)[:, 300:500, 500:]
            want = opened.segment(image, output=output)[:, 300:500, 500:]
        else:
            got = segment(lazy, engine, output=output, block=block, threads=1)
            want = opened.segment(image, output=output)
        assert got.dtype == want.dtype
        assert got.shape == want.shape
        np.testing.assert_array_equal(got.compute(scheduler="threads"), want)


def test_a_small_image_is_one_block(membranes) -> None:
    image = random_image(np.random.default_rng(1), 3, 5)
    got = segment(dask.array.from_array(image), membranes, output="logits")
    np.testing.assert_array_equal(got.compute(), membranes.segment(image, output="logits"))


def test_what_has_no_blocks_is_refused(membranes) -> None:
    lazy = dask.array.zeros((64, 64), dtype=np.uint8)
    with pytest.raises(ValueError, match="exact"):
        segment(lazy, membranes, mode="gaussian")
    with pytest.raises(ValueError, match="region"):
        segment(lazy, membranes, region=(0, 0, 1, 1))
    with pytest.raises(ValueError, match="output"):
        segment(lazy, membranes, output="instances")
    with pytest.raises(ValueError, match="shape"):
        segment(lazy[0], membranes)


def test_a_worker_that_dies_costs_nothing(membranes, cluster) -> None:
    image = random_image(np.random.default_rng(1), 1000, 1000)
    lazy = dask.array.from_array(image, chunks=500)
    with distributed.Client(cluster) as client:
        future = client.compute(segment(lazy, membranes, block=192, threads=1))
        time.sleep(1)
        pid = next(iter(client.run(os.getpid).values()))
        os.kill(pid, signal.SIGKILL)
        got = future.result(timeout=300)
    np.testing.assert_array_equal(got, membranes.segment(image))


def test_files_on_a_scheduler(membranes, cluster, tmp_path, capsys) -> None:
    rng = np.random.default_rng(0)
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    images = [random_image(rng, 200 + i, 300) for i in range(10)]
    for i, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{i}.png")
    (folder / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nno")

    def kill_one() -> None:
        deadline = time.monotonic() + 100
        while not list(out.glob("*.png")) and time.monotonic() < deadline:
            time.sleep(0.02)
        with distributed.Client(cluster) as client:
            os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)

    killer = threading.Thread(target=kill_one)
    killer.start()
    arguments = ["segment", str(folder), "-o", str(out), "-e", "em-membranes", "--threads", "1"]
    assert main([*arguments, "--scheduler", cluster.scheduler_address]) == 1  # the bad one
    killer.join()
    told = capsys.readouterr()
    assert "10 segmented, 0 skipped, 1 failed" in told.out
    assert "bad.png" in told.err
    for i, image in enumerate(images):
        got = np.asarray(Image.open(out / f"{i}.png"))
        np.testing.assert_array_equal(got, membranes.segment(image))
    assert not [p for p in Path(out).iterdir() if "unfinished" in p.name]
