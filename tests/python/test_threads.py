"""One engine, many threads: same results, the GIL released, cancel within a batch."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from conftest import random_image

import pyengine


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_many_callers_get_the_same_as_one(threads: int) -> None:
    engine = pyengine.Engine("em-membranes", threads=threads)
    rng = np.random.default_rng(0)
    images = [random_image(rng, int(h), int(w)) for h, w in rng.integers(20, 150, (12, 2))]
    want = [engine.segment(i) for i in images]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(2):
            for got, expected in zip(pool.map(engine.segment, images), want, strict=True):
                np.testing.assert_array_equal(got, expected)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_process_uses_and_closes_its_parents_engine() -> None:
    engine = pyengine.Engine("em-membranes", threads=2)
    image = random_image(np.random.default_rng(0), 150, 100)
    want = engine.segment(image)

    def child() -> None:
        nonlocal engine
        same = np.array_equal(engine.segment(image), want)
        del engine  # waits for no worker, they are its parent's
        sys.exit(0 if same else 1)  # and nothing else at exit

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join(timeout=60)
    hangs = process.is_alive()
    process.kill()
    process.join()
    assert not hangs
    assert process.exitcode == 0
    np.testing.assert_array_equal(engine.segment(image), want)


def test_the_gil_is_released_while_computing(membranes) -> None:
    image = random_image(np.random.default_rng(0), 700, 700)  # what is constant is hardly computed
    membranes.segment(image)
    ticks, stop = [], threading.Event()

    def tick() -> None:
        while not stop.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    begin = time.perf_counter()
    membranes.segment(image)
    end = time.perf_counter()
    stop.set()
    thread.join()
    # If the GIL were held, no tick could fall between begin and end.
    assert sum(begin < t < end for t in ticks) >= 3


@pytest.mark.parametrize("call", ["segment(image)", "segment(image, progress=lambda *_: True)"])
def test_a_daemon_thread_at_work_does_not_disturb_the_end(call: str) -> None:
    program = f"""
import threading, time
import numpy as np
import pyengine

engine = pyengine.Engine("em-membranes", threads=2)
image = np.zeros((200, 200), np.uint8)
engine.segment(image)

def work():
    while True:
        engine.{call}

for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
time.sleep(0.2)
"""
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
        )
        assert (done.returncode, done.stderr) == (0, "")


def test_progress_counts_and_cancel_stops_within_one_batch(membranes) -> None:
    image = random_image(
        np.random.default_rng(0), 100, 1280
    )  # tiles that see one constant come without a batch
    calls = []
    membranes.segment(image, tile=64, batch_size=3, progress=lambda d, t: calls.append((d, t)))
    # Batches fill up inside the image; tiles near its ends differ from each other.
    assert calls[:3] == [(3, 40), (6, 40), (9, 40)]
    assert calls[-1] == (40, 40)
    assert all(0 < b[0] - a[0] <= 3 for a, b in pairwise(calls))
    calls.clear()
    with pytest.raises(pyengine.CancelledError, match="after 6 tiles"):
        membranes.segment(
            image, tile=64, batch_size=3,
            progress=lambda d, t: calls.append(d) or len(calls) < 2,
        )  # fmt: skip
    assert calls == [3, 6]
    assert membranes.segment(image).shape == image.shape


def test_progress_bar_goes_to_the_terminal(membranes, capsys) -> None:
    membranes.segment(np.zeros((100, 100), np.uint8), tile=64, progress=True)
    assert "4/4" in capsys.readouterr().err
    with pytest.raises(TypeError, match="progress"):
        membranes.segment(np.zeros((9, 9), np.uint8), progress="yes")


def test_pinned_workers_leave_the_caller_where_it_was(membranes) -> None:
    cores = os.sched_getaffinity(0)
    pinned = pyengine.Engine("em-membranes", threads=3, pin_threads=True)
    image = random_image(np.random.default_rng(1), 130, 170)
    np.testing.assert_array_equal(pinned.segment(image), membranes.segment(image))
    assert os.sched_getaffinity(0) == cores
    threads = [os.sched_getaffinity(int(t)) for t in os.listdir("/proc/self/task")]
    if len(cores) > 1:
        assert any(len(allowed) == 1 for allowed in threads)


def test_results_repeat(membranes) -> None:
    image = random_image(np.random.default_rng(1), 130, 170)
    want = membranes.segment(image, output="logits")
    for _ in range(3):
        np.testing.assert_array_equal(membranes.segment(image, output="logits"), want)
    again = pyengine.Engine("em-membranes")
    np.testing.assert_array_equal(again.segment(image, output="logits"), want)


@pytest.mark.parametrize("threads", [1, 3])
def test_batches_come_in_order_whatever_runs_side_by_side(threads: int) -> None:
    engine = pyengine.Engine("em-membranes", threads=threads)
    rng = np.random.default_rng(1)
    sizes = [(40, 30), (64, 64), (300, 260), (1, 7), (90, 41), (33, 80), (20, 20)]
    images = [random_image(rng, *size) for size in sizes]
    want = [engine.segment(image, output="logits") for image in images]
    taken = []
    results = engine.segment_batch((taken.append(i) or i for i in images), output="logits")
    for count, (got, expected) in enumerate(zip(results, want, strict=True), 1):
        np.testing.assert_array_equal(got, expected)
        assert len(taken) <= count + threads  # lazily
    for image, expected in zip(images, want, strict=True):
        np.testing.assert_array_equal(
            engine.segment(image, output="logits", one_thread=True), expected
        )


def test_a_bad_image_in_a_batch_raises_when_its_turn_comes(membranes) -> None:
    good = np.zeros((20, 20), np.uint8)
    results = membranes.segment_batch([good, good, np.zeros((0, 5), np.uint8), good])
    assert next(results).shape == next(results).shape == (20, 20)
    with pytest.raises(ValueError, match="at least 1 x 1"):
        next(results)


@pytest.mark.parametrize("call", ["segment", "gaussian", "run", "profile"])
def test_ctrl_c_ends_a_call_within_a_tile(call: str) -> None:
    """The reference kernels would take minutes over this image, which is one tile."""
    code = f"""
import os, signal, threading, time
import numpy as np
import pyengine
engine = pyengine.Engine("em-membranes")
side = engine.info.input["sample_size_px"][0] + 40 * engine.info.alignment
image = np.zeros((side, side), np.uint8)
calls = {{
    "segment": lambda: engine.segment(image, tile=side),
    "gaussian": lambda: engine.segment(image, mode="gaussian", tile=side),
    "run": lambda: engine.run(image[None, None].astype(np.float32)),
    "profile": lambda: engine.profile(side, side, passes=1),
}}
sent = []
def interrupt():
    time.sleep(0.5)
    sent.append(time.monotonic())
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt).start()
try:
    calls[{call!r}]()
except KeyboardInterrupt:
    print("interrupted", time.monotonic() - sent[0] < 20)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False,
        env=os.environ | {"PYENGINE_ISA": "reference"},
    )  # fmt: skip
    assert done.stdout == "interrupted True\n", done.stderr


def test_another_thread_cancels_a_call_within_a_tile(membranes) -> None:
    stop = threading.Event()
    asked = []

    def cancelled() -> bool:
        asked.append(1)
        return stop.is_set()

    def segment_for_ever() -> None:
        while True:
            membranes.segment(image, tile=1024, cancelled=cancelled)

    image = np.zeros((1024, 1024), np.uint8)
    timer = threading.Timer(0.05, stop.set)
    timer.start()
    with pytest.raises(pyengine.CancelledError):
        segment_for_ever()
    assert asked
    with pytest.raises(TypeError, match="cancelled must be callable"):
        membranes.segment(image, cancelled=True)


def test_engines_share_threads(membranes) -> None:
    first = pyengine.Engine("em-membranes", threads=3)
    second = pyengine.Engine("oct-fluid", share_threads=first)
    assert second.info.threads == 3
    image = np.arange(64 * 48, dtype=np.uint32).reshape(64, 48).astype(np.uint8)
    alone = pyengine.Engine("oct-fluid").segment(image)
    del first
    assert np.array_equal(second.segment(image), alone)
    with pytest.raises(ValueError, match="share_threads takes another engine's threads"):
        pyengine.Engine("oct-fluid", share_threads=second, threads=2)
    with pytest.raises(TypeError, match="share_threads must be a pyengine.Engine"):
        pyengine.Engine("oct-fluid", share_threads="oct-fluid")


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="names and cores by Linux's means")
def test_threads_are_as_demanded_or_not_at_all(membranes) -> None:
    core = min(os.sched_getaffinity(0))
    wished = pyengine.ThreadOptions(name="probe", cores=(core,), priority=3)
    engine = pyengine.Engine("em-membranes", threads=2, thread=wished)
    workers = [
        int(task.name)
        for task in Path("/proc/self/task").iterdir()
        if (task / "comm").read_text().strip() == "probe"
    ]
    assert len(workers) == 1
    assert os.sched_getaffinity(workers[0]) == {core}
    assert os.getpriority(os.PRIO_PROCESS, workers[0]) == 3
    with engine.stream(64, 48, thread=pyengine.ThreadOptions(name="scan")):
        names = {t.joinpath("comm").read_text().strip() for t in Path("/proc/self/task").iterdir()}
        assert "scan" in names
    with pytest.raises(pyengine.UnsupportedError, match="99999"):
        pyengine.Engine("em-membranes", threads=2, thread=pyengine.ThreadOptions(cores=(99999,)))
    for bad in (
        pyengine.ThreadOptions(priority=20),
        pyengine.ThreadOptions(policy="fifo"),
        pyengine.ThreadOptions(policy="soon"),
        pyengine.ThreadOptions(cores=(-1,)),
    ):
        with pytest.raises(ValueError, match="priority|policy|cores"):
            pyengine.Engine("em-membranes", threads=2, thread=bad)
    with pytest.raises(TypeError, match="ThreadOptions"):
        pyengine.Engine("em-membranes", thread=2)


def test_memory_is_made_ready_counted_and_freed() -> None:
    engine = pyengine.Engine("em-membranes")
    assert engine.memory().weights_bytes > 0
    engine.prepare(64, 48)
    assert engine.memory().idle_bytes > 64 * 48 * 4
    assert engine.memory().in_use_bytes == 0
    engine.trim()
    assert engine.memory().idle_bytes == 0
    with pytest.raises(ValueError, match="tile"):
        engine.prepare(64, 48, tile=-1)
