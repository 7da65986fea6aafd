"""Live frames: every one ends once, submit never waits, and nothing outlives what it needs."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
import time
import weakref
from concurrent.futures import TimeoutError as FutureTimeoutError

import numpy as np
import pytest
from conftest import random_image

import pyengine
from pyengine.phantoms import oct_phantom

HEIGHT, WIDTH = 64, 96


@pytest.fixture(scope="module")
def engine() -> pyengine.Engine:
    return pyengine.Engine("oct-fluid", threads=1)


@pytest.fixture(scope="module")
def frame() -> np.ndarray:
    return oct_phantom(HEIGHT, WIDTH).image


@pytest.fixture
def gate(engine):
    """An engine whose network waits until it is let through, and its gate."""
    gate = threading.Event()

    def network(batch: np.ndarray) -> np.ndarray:
        gate.wait(30)
        return np.zeros((len(batch), 2, *batch.shape[2:]), np.float32)

    gate.set()  # for the frame that prepares
    slow = pyengine.Engine("oct-fluid", executor=network)
    return slow, gate


def test_results_are_those_of_a_call(engine, frame) -> None:
    with engine.stream(HEIGHT, WIDTH) as stream:
        result = stream.submit(frame).result(30)
        assert (result.number, result.status) == (1, "done")
        np.testing.assert_array_equal(result.data, engine.segment(frame))
        assert 0 < result.compute <= result.age < 30
        assert result.submitted <= time.monotonic()
    with engine.stream(HEIGHT, WIDTH, output="probabilities") as stream:
        part = frame[:40, :50]  # smaller frames fit, any strides
        got = stream.submit(part).result(30).data
        np.testing.assert_array_equal(got, engine.segment(part, output="probabilities"))


def test_a_region_is_as_in_the_whole(engine, frame) -> None:
    for output in ("labels", "logits"):
        whole = engine.segment(frame, output=output)
        with engine.stream(HEIGHT, WIDTH, output=output, region=(8, 5, 30, 40)) as stream:
            got = stream.submit(frame).result(30).data
        np.testing.assert_array_equal(got, whole[..., 8:38, 5:45])


def test_newest_replaces_the_frame_that_waits(gate, frame) -> None:
    engine, open_gate = gate
    with engine.stream(HEIGHT, WIDTH) as stream:
        open_gate.clear()
        futures = [stream.submit(frame)]
        time.sleep(0.2)  # it is at work
        futures += [stream.submit(frame) for _ in range(3)]
        assert [f.result(30).status for f in futures[1:3]] == ["replaced", "replaced"]
        with pytest.raises(FutureTimeoutError):
            futures[3].result(0.05)
        open_gate.set()
        assert [f.result(30).status for f in (futures[0], futures[3])] == ["done", "done"]
        assert stream.flush(30)
        s = stream.statistics
    assert (s.submitted, s.done, s.replaced, s.pending, s.results) == (4, 2, 2, 0, 2)
    assert s.age.max >= s.age.p50 > 0


def test_all_waits_and_reject_refuses(gate, frame) -> None:
    engine, open_gate = gate
    for policy, want in (
        ("all", "done done done refused"),
        ("reject", "done refused refused refused"),
    ):
        open_gate.set()
        with engine.stream(HEIGHT, WIDTH, policy=policy, queue=2) as stream:
            open_gate.clear()
            futures = [stream.submit(frame)]
            time.sleep(0.2)
            futures += [stream.submit(frame) for _ in range(3)]
            open_gate.set()
            assert " ".join(f.result(30).status for f in futures) == want


def test_a_frame_that_is_too_late_is_not_begun(gate, frame) -> None:
    engine, open_gate = gate
    with engine.stream(HEIGHT, WIDTH, policy="all", deadline=30) as stream:
        open_gate.clear()
        first = stream.submit(frame)
        late = stream.submit(frame, deadline=0.05)
        time.sleep(0.3)
        open_gate.set()
        assert first.result(30).status == "done"
        assert (late.result(30).status, late.result().begun, late.result().data) == (
            "expired",
            None,
            None,
        )


def test_cancelled_frames_say_so(gate, frame) -> None:
    engine, open_gate = gate
    with engine.stream(HEIGHT, WIDTH, policy="all") as stream:
        open_gate.clear()
        futures = [stream.submit(frame) for _ in range(3)]
        assert futures[2].cancel() is False  # it tells its own end
        open_gate.set()
        assert [f.result(30).status for f in futures] == ["done", "done", "cancelled"]


def test_copies_are_the_streams_own(engine, frame) -> None:
    seen = []
    with engine.stream(HEIGHT, WIDTH, policy="all", copy=True) as stream:
        pixels = frame.copy()
        futures = []
        for shift in range(5):
            pixels[:] = np.roll(frame, shift, axis=1)
            futures.append(stream.submit(pixels))
            seen.append(pixels.copy())
        for future, image in zip(futures, seen, strict=True):
            np.testing.assert_array_equal(future.result(30).data, engine.segment(image))


def test_borrowed_frames_live_until_they_end(gate) -> None:
    engine, open_gate = gate
    with engine.stream(HEIGHT, WIDTH) as stream:
        open_gate.clear()
        pixels = np.zeros((HEIGHT, WIDTH), np.uint8)
        gone = weakref.ref(pixels)
        future = stream.submit(pixels)
        del pixels
        gc.collect()
        assert gone() is not None
        open_gate.set()
        assert future.result(30).status == "done"
        stream.flush(30)
    del future
    gc.collect()
    assert gone() is None


def test_stacks_end_once_and_tell_progress(engine, frame) -> None:
    told = []
    stack = np.stack([frame, np.roll(frame, 7, axis=1), frame[:, ::-1]])
    with engine.stream(
        HEIGHT, WIDTH, slices=4, slice_progress=lambda done, total: told.append((done, total))
    ) as stream:
        got = stream.submit(stack).result(30).data
        np.testing.assert_array_equal(got, [engine.segment(slice_) for slice_ in stack])
        assert told == [(1, 3), (2, 3), (3, 3)]
        with pytest.raises(ValueError, match="stack"):
            stream.submit(frame)


def test_what_progress_raises_ends_the_stack(engine, frame) -> None:
    def fail(done: int, total: int) -> bool:
        raise LookupError("mine")

    with engine.stream(HEIGHT, WIDTH, slices=3, slice_progress=fail) as stream:
        with pytest.raises(LookupError, match="mine"):
            stream.submit(np.stack([frame] * 3)).result(30)
        assert stream.flush(30)


def test_iteration_brings_results_in_order(engine, frame) -> None:
    stream = engine.stream(HEIGHT, WIDTH, policy="all", results=10)
    for _ in range(5):
        stream.submit(frame)
    threading.Thread(target=lambda: stream.close(drain=True)).start()
    assert [result.number for result in stream] == [1, 2, 3, 4, 5]
    assert list(stream) == []
    with engine.stream(HEIGHT, WIDTH, policy="all", results=2) as stream:
        for _ in range(5):
            stream.submit(frame).result(30)
        stream.flush()
    assert stream.statistics.lost == 3
    assert [result.number for result in stream] == [4, 5]


def test_results_can_be_awaited(engine, frame) -> None:
    async def main() -> list[str]:
        with engine.stream(HEIGHT, WIDTH, policy="all") as stream:
            first = await stream.submit(frame)
            both = await asyncio.gather(stream.submit(frame), stream.submit(frame))
            return [first.status, *(result.status for result in both)]

    assert asyncio.run(main()) == ["done"] * 3


def test_several_streams_on_one_engine(engine, frame) -> None:
    want = engine.segment(frame)
    with (
        engine.stream(HEIGHT, WIDTH, policy="all") as one,
        engine.stream(HEIGHT, WIDTH, policy="all") as two,
    ):
        futures = [stream.submit(frame) for _ in range(4) for stream in (one, two)]
        for future in futures:
            np.testing.assert_array_equal(future.result(60).data, want)


def test_bad_frames_are_refused_and_the_stream_goes_on(engine, frame) -> None:
    with engine.stream(HEIGHT, WIDTH) as stream:
        for bad, error in (
            (frame.astype(np.float16), TypeError),
            (np.zeros((HEIGHT, WIDTH, 3), np.uint8), ValueError),
            ([[1]], TypeError),
        ):
            with pytest.raises(error):
                stream.submit(bad)
        with pytest.raises(ValueError, match="deadline"):
            stream.submit(frame, deadline=-1)
        hole = frame.astype(np.float32)
        hole[3, 4] = np.nan
        with pytest.raises(ValueError, match="NaN"):
            stream.submit(hole).result(30)
        assert stream.submit(frame).result(30).status == "done"
        assert stream.flush(30)
        assert stream.statistics.failed == 1


def test_frames_larger_than_the_stream(engine, frame) -> None:
    large = np.zeros((2 * HEIGHT, WIDTH), np.uint8)
    with engine.stream(HEIGHT, WIDTH, copy=True) as stream:
        with pytest.raises(ValueError, match="resize"):
            stream.submit(large)
        stream.resize(2 * HEIGHT, WIDTH)
        assert stream.submit(large).result(30).data.shape == large.shape


def test_values_on_another_scale_warn_once(engine, frame) -> None:
    with engine.stream(HEIGHT, WIDTH) as stream:
        with pytest.warns(pyengine.InputRangeWarning):
            stream.submit(frame.astype(np.uint16) * 16)
        stream.submit(frame.astype(np.uint16) * 16).result(30)


def test_bad_options_are_refused(engine) -> None:
    for options, error in (
        ({"policy": "oldest"}, ValueError),
        ({"queue": 0}, ValueError),
        ({"deadline": 0}, ValueError),
        ({"late": "never"}, ValueError),
        ({"dtype": "float16"}, ValueError),
        ({"tile": 0}, ValueError),
        ({"cancelled": bool}, ValueError),
        ({"copy": 1}, TypeError),
        ({"speed": 1}, TypeError),
    ):
        with pytest.raises(error):
            engine.stream(HEIGHT, WIDTH, **options)


def test_a_closed_stream_refuses(engine, frame) -> None:
    stream = engine.stream(HEIGHT, WIDTH)
    future = stream.submit(frame)
    stream.close(drain=True)
    stream.close()
    assert future.result(0).status == "done"
    with pytest.raises(pyengine.CancelledError):
        stream.submit(frame)


def test_leaving_the_block_by_an_error_discards(gate, frame) -> None:
    engine, open_gate = gate
    futures: list[pyengine.FrameFuture] = []

    def fail() -> None:
        with engine.stream(HEIGHT, WIDTH, policy="all") as stream:
            open_gate.clear()
            futures.extend(stream.submit(frame) for _ in range(3))
            threading.Timer(0.2, open_gate.set).start()
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert [f.result(0).status for f in futures[1:]] == ["cancelled", "cancelled"]


def test_callbacks_that_raise_or_block_do_not_stop_the_stream(engine, frame, caplog) -> None:
    def fail(future: object) -> None:
        raise LookupError("mine")

    with engine.stream(HEIGHT, WIDTH, policy="all") as stream:
        first = stream.submit(frame)
        first.add_done_callback(fail)
        first.add_done_callback(lambda _: time.sleep(0.3))
        first.result(30)
        assert stream.submit(frame).result(30).status == "done"


def test_a_stream_that_is_forgotten_ends(engine, frame) -> None:
    stream = engine.stream(HEIGHT, WIDTH)
    stream.submit(frame).result(30)
    before = threading.active_count()
    gone = weakref.ref(stream)
    del stream
    gc.collect()
    assert gone() is None
    assert threading.active_count() == before - 1


def test_the_gil_is_free_while_frames_are_computed(engine) -> None:
    large = random_image(np.random.default_rng(0), 512, 512)
    with engine.stream(512, 512) as stream:
        future = stream.submit(large)
        ticks = 0
        while not future.done():
            time.sleep(0.001)
            ticks += 1
    assert ticks > 5


PRELUDE = """
import sys, threading, time
import numpy as np
import pyengine
engine = pyengine.Engine("oct-fluid", threads=1)
stream = engine.stream(256, 256, policy="all")
image = np.zeros((256, 256), np.uint8)
futures = [stream.submit(image) for _ in range(8)]
"""


@pytest.mark.parametrize(
    "end",
    [
        "pass",
        "sys.exit(0)",
        "threading.Thread(target=lambda: [f.result() for f in futures], daemon=True).start()",
        "futures[0].result()",
        "del stream, engine",
        "futures[0].add_done_callback(lambda _: time.sleep(0.2)); futures[0].result()",
    ],
)
def test_the_interpreter_ends_with_frames_under_way(end) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + end],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_leaves_the_stream_alone() -> None:
    script = PRELUDE + (
        "import os\n"
        "stream.flush()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    try:\n"
        "        stream.submit(image)\n"
        "    except pyengine.UnsupportedError:\n"
        "        del stream\n"
        "        sys.exit(7)\n"
        "    sys.exit(1)\n"
        "assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7\n"
        "assert stream.submit(image).result().status == 'done'\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
