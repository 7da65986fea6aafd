"""Live frames: in at a scanner's rate, results of known age out; see `Engine.stream`."""

from __future__ import annotations

import asyncio
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from pyengine import _core
from pyengine.arguments import choice, flag, number, positive, region_sides, segment_options
from pyengine.checks import check_image
from pyengine.info import EngineInfo
from pyengine.input_range import InputRange
from pyengine.threads import ThreadOptions, core_threads

Policy = Literal["newest", "all", "reject"]
Late = Literal["finish", "cancel"]
Status = Literal["done", "late", "replaced", "expired", "cancelled", "refused"]

# How long one look at a stream that drains may keep a signal waiting.
_PATIENCE_NS = 50_000_000


@dataclass(frozen=True)
class FrameResult:
    """How a frame ended. Times are seconds of `time.monotonic`."""

    number: int
    """1, 2, ... in the order of submission; refused frames count."""
    status: Status
    """"done"; "late": computed, but after its deadline; "replaced" by a newer frame; "expired":
    given up for its deadline; "cancelled"; "refused": the stream had no room."""
    submitted: float
    begun: float | None
    """None: its computation did not begin."""
    ended: float
    data: npt.NDArray[Any] | None
    """Labels or scores, with the slices' axis first for a stack; None unless done or late."""

    @property
    def age(self) -> float:
        """Seconds from submission to end."""
        return self.ended - self.submitted

    @property
    def compute(self) -> float:
        """Seconds of computation; 0 if it did not begin."""
        return 0.0 if self.begun is None else self.ended - self.begun


@dataclass(frozen=True)
class Durations:
    """Percentiles in seconds."""

    p50: float
    p90: float
    p99: float
    max: float


@dataclass(frozen=True)
class StreamStatistics:
    """What a stream did since it was opened."""

    submitted: int
    """Frames brought: the sum of the next eight."""
    done: int
    late: int
    replaced: int
    expired: int
    cancelled: int
    failed: int
    refused: int
    pending: int
    """Waiting or at work."""
    lost: int
    """Results that no iteration took in time; they count above, too."""
    results: int
    """Over how many of the last results the durations are."""
    age: Durations
    """Submission to end."""
    compute: Durations
    """Begin to end."""
    memory_bytes: int
    """Held by the stream itself."""


class FrameFuture(Future[FrameResult]):
    """What becomes of a frame. Can be awaited, too.

    The result is a `FrameResult`, whatever the status; a frame that failed raises what it failed
    with. Callbacks come on a thread of the stream's own, which computes nothing.
    """

    number: int
    """As in `FrameResult`."""
    _cancel: Callable[[int], None]

    def cancel(self) -> bool:
        """Ask for the end of the frame, which then ends as "cancelled" unless it was quicker.

        Returns
        -------
        bool
            False: the frame is under way, and tells its own end.
        """
        if not self.done():
            self._cancel(self.number)
        return False

    def __await__(self) -> Generator[Any, None, FrameResult]:
        return asyncio.wrap_future(self).__await__()


class Stream:
    """Frames of one source on their way through one engine; made by `Engine.stream`.

    `submit` never waits for the network. As a context manager, a stream drains at the end of the
    block, and discards what has not ended if the block raises. Iteration brings results that were
    computed, in their order.

    All methods may be called from several threads. A process forked while a stream is open cannot
    use it.
    """

    def __init__(
        self,
        engine: _core.Engine,
        info: EngineInfo,
        height: int,
        width: int,
        slices: int | None,
        dtype: npt.DTypeLike,
        policy: Policy,
        queue: int,
        copy: bool,
        output: str,
        deadline: float | None,
        late: Late,
        progress: Callable[[int, int], bool | None] | None,
        results: int,
        statistics: int,
        thread: ThreadOptions | None,
        options: dict[str, Any],
    ) -> None:
        if options.get("cancelled") is not None:
            raise ValueError(
                "frames of a stream are cancelled by FrameFuture.cancel or Stream.cancel"
            )
        self._info = info
        self._stacks = slices is not None
        self._output = choice("output", output, _core.OutputKind)
        self._region = region_sides(options.get("region"))[2:]  # (0, 0): the whole frame
        self._range_to_see = True
        self._ready: deque[FrameResult] = deque(maxlen=positive("results", results))
        self._lost = 0
        self._changed = threading.Condition()
        self._all_told = False
        self._core = _core.Stream(
            engine,
            height=positive("height", height),
            width=positive("width", width),
            slices=1 if slices is None else positive("slices", slices),
            type=choice("dtype", np.dtype(dtype).name, _core.PixelType),
            policy=choice("policy", policy, _core.FramePolicy),
            copy=flag("copy", copy),
            queue=positive("queue", queue),
            output=self._output,
            deadline_ns=_nanoseconds("deadline", deadline),
            late=choice("late", late, _core.LatePolicy),
            statistics=positive("statistics", statistics),
            segment=segment_options(**options),
            thread=core_threads("thread", thread),
            progress=None if progress is None else _slice_teller(progress),
        )
        teller = threading.Thread(
            target=_tell, args=(self._core, weakref.ref(self)), name="pyengine stream", daemon=True
        )
        teller.start()
        # Neither the core nor its teller refers to this object, so that one that is forgotten ends;
        # also before the interpreter does, whose end the stream's threads would not survive.
        self._finalizer = weakref.finalize(self, _stop, self._core, teller)

    def submit(self, frame: npt.NDArray[Any], *, deadline: float | None = None) -> FrameFuture:
        """Hand a frame over.

        Parameters
        ----------
        frame : ndarray, shape (H, W) or (H, W, C), of a stack (S, H, W) or (S, H, W, C)
            As in `Engine.segment`, up to the sizes of the stream. Borrowed until the frame ends,
            unless the stream copies.
        deadline : float, optional
            Seconds from now after which it is not begun any more. Default: the stream's.

        Returns
        -------
        FrameFuture
            Already ended where the frame was refused.

        Raises
        ------
        TypeError, ValueError
            No image, or larger than the stream was opened for.
        CancelledError
            The stream was closed.

        Warns
        -----
        InputRangeWarning
            As in `Engine.segment`, for the first frame alone.
        """
        slices = 1
        image = frame
        if self._stacks:
            if not isinstance(frame, np.ndarray) or frame.ndim not in (3, 4) or not len(frame):
                raise ValueError("a stack must be an array of shape (S, H, W) or (S, H, W, C)")
            slices, image = len(frame), frame[0]
        check_image(image, self._info.input["channels"])
        if self._range_to_see:
            self._see_range(frame)
        out = np.empty(self._result_shape(slices, image.shape), self._result_dtype())
        future = FrameFuture()
        future._cancel = self._core.cancel
        future.set_running_or_notify_cancel()
        now = time.monotonic()
        future.number, refused, replaced_number, replaced = self._core.submit(
            _core.BorrowedImage(image),
            slices,
            frame.strides[0] if self._stacks else 0,
            out,
            _nanoseconds("deadline", deadline),
            (future, now),
        )
        if refused:
            self._end(future, FrameResult(future.number, "refused", now, None, now, None))
        if replaced is not None:
            gone, submitted = replaced
            self._end(gone, FrameResult(replaced_number, "replaced", submitted, None, now, None))
        return future

    def _see_range(self, frame: npt.NDArray[Any]) -> None:
        self._range_to_see = False
        value_range = InputRange(self._info, frame.dtype, "frame")
        value_range.see(frame)
        value_range.finish()

    def _result_shape(self, slices: int, shape: tuple[int, ...]) -> tuple[int, ...]:
        height, width = self._region if any(self._region) else shape[:2]
        labels = self._output == _core.OutputKind.labels
        one = (height, width) if labels else (self._info.outputs, height, width)
        return (slices, *one) if self._stacks else one

    def _result_dtype(self) -> type[np.generic]:
        return np.uint8 if self._output == _core.OutputKind.labels else np.float32

    def _end(self, future: FrameFuture, result: FrameResult) -> None:
        if not future.done():
            future.set_result(result)
        if result.data is None:
            return
        with self._changed:
            self._lost += len(self._ready) == self._ready.maxlen
            self._ready.append(result)
            self._changed.notify()

    def __iter__(self) -> Iterator[FrameResult]:
        """Results that were computed, until the stream is closed.

        Yields
        ------
        FrameResult
            "done" or "late". Where more than `results` lie untaken, the oldest is lost.
        """
        while True:
            with self._changed:
                # A bounded wait: signals are handled between two.
                while not self._ready and not self._all_told:
                    self._changed.wait(0.05)
                if not self._ready:
                    return
                result = self._ready.popleft()
            yield result

    def cancel(self) -> None:
        """Cancel all frames that wait or are at work. Does not wait."""
        self._core.cancel(0)

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until no frame waits or is at work.

        Parameters
        ----------
        timeout : float, optional
            Seconds; default: without end.

        Returns
        -------
        bool
            False: there still is one.
        """
        limit = None if timeout is None else time.monotonic() + number("timeout", timeout)
        while True:
            left = _PATIENCE_NS
            if limit is not None:
                left = max(0, min(left, int(1e9 * (limit - time.monotonic()))))
            if self._core.flush(left):
                return True
            if limit is not None and time.monotonic() >= limit:
                return False

    def resize(self, height: int, width: int, slices: int | None = None) -> None:
        """Make room for frames of another largest size. Frames under way keep theirs."""
        if slices is not None and not self._stacks:
            raise ValueError("slices belong to streams of stacks")
        self._core.resize(
            positive("height", height),
            positive("width", width),
            1 if slices is None else positive("slices", slices),
        )

    @property
    def statistics(self) -> StreamStatistics:
        """Counters, and percentiles over the last results."""
        known = self._core.statistics()
        age, compute = Durations(*known.pop("age")), Durations(*known.pop("compute"))
        return StreamStatistics(**known, lost=self._lost, age=age, compute=compute)

    def close(self, *, drain: bool = False) -> None:
        """Take no more frames, and return once all have ended and are told.

        Parameters
        ----------
        drain : bool
            Compute what has not ended; default: cancel it, also the frame at work.
        """
        try:
            if flag("drain", drain) and self._finalizer.alive:
                self.flush()
        finally:
            self._finalizer()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.close(drain=kind is None)


def _slice_teller(
    progress: Callable[[int, int], bool | None],
) -> Callable[[tuple[FrameFuture, float], int, int], bool]:
    """What the core asks after each slice; what `progress` raises ends the stack."""

    def tell(token: tuple[FrameFuture, float], done: int, total: int) -> bool:
        try:
            return progress(done, total) is not False
        except BaseException as error:
            token[0].set_exception(error)
            return False

    return tell


def _stop(core: _core.Stream, teller: threading.Thread) -> None:
    core.stop()
    if threading.current_thread() is not teller:
        teller.join()


def _tell(core: _core.Stream, stream: weakref.ref[Stream]) -> None:
    """Hand ends to futures, on a thread that computes nothing."""
    while (end := core.wait()) is not None:
        future, _ = end.token
        try:
            end.check()
        except Exception as error:
            if not future.done():
                future.set_exception(error)
            continue
        begun = None if end.begin_ns == 0 else 1e-9 * end.begin_ns
        times = 1e-9 * end.submit_ns, begun, 1e-9 * end.end_ns
        status: Any = end.status.name
        result = FrameResult(end.number, status, *times, end.data)
        owner = stream()
        if owner is not None:
            owner._end(future, result)
        elif not future.done():
            future.set_result(result)
        del owner
    owner = stream()
    if owner is not None:
        with owner._changed:
            owner._all_told = True
            owner._changed.notify_all()


def _nanoseconds(name: str, seconds: float | None) -> int:
    """A duration for the core, where 0 stands for the default."""
    if seconds is None:
        return 0
    if not number(name, seconds) > 0:
        raise ValueError(f"{name} must be above 0 s, got {seconds}")
    return max(1, int(min(1e9 * seconds, 2**62)))
