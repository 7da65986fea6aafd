"""A batch on the workers of a dask scheduler; they reach the same files by the same names."""

from __future__ import annotations

import argparse
import threading
from collections.abc import Callable
from typing import Any

from pyengine.arguments import SegmentKeywords
from pyengine.claims import claims
from pyengine.cli.companions import companions
from pyengine.cli.options import open_engine
from pyengine.cli.segment_job import Batch
from pyengine.cli.shared_batch import SharedBatch
from pyengine.pipeline import pipeline

Outcome = tuple[int, list[int], str | None]
"""Images skipped, what became of pixels, and what it failed with."""


def run_distributed(
    jobs: list[tuple[str, str]],
    args: argparse.Namespace,
    options: SegmentKeywords,
    errors: tuple[type[Exception], ...],
    ended: Callable[[str, Outcome], None],
) -> None:
    """Have each image made by some worker; one that dies leaves its images to the others.

    Parameters
    ----------
    jobs : list of (str, str)
    args : argparse.Namespace
        With ``scheduler``.
    options : SegmentKeywords
    errors : tuple of exception types
        What an image may fail with.
    ended : callable
        ``ended(path, outcome)`` is told of each image.
    """
    try:
        from dask import distributed
    except ImportError as error:
        raise ImportError('--scheduler needs dask: pip install "pyengine[dask]"') from error
    shared = {name: value for name, value in vars(args).items() if name != "run"}
    with distributed.Client(args.scheduler) as client:
        futures = {
            client.submit(
                _make, job, tuple(sorted(shared.items(), key=lambda item: item[0])), options,
                errors, pure=False, retries=2,
            ): job[0]
            for job in jobs
        }  # fmt: skip
        for future in distributed.as_completed(futures):
            try:
                outcome = future.result()
            except Exception as error:
                outcome = 0, [0, 0, 0], f"{type(error).__name__}: {error}"
            ended(futures[future], outcome)
            future.release()


def _make(
    job: tuple[str, str],
    args: tuple[tuple[str, Any], ...],
    options: SegmentKeywords,
    errors: tuple[type[Exception], ...],
) -> Outcome:
    """One image, on a worker; one at a time in each, on all its cores."""
    with _working:
        return _make_alone(job, args, options, errors)


_working = threading.Lock()


def _make_alone(
    job: tuple[str, str],
    args: tuple[tuple[str, Any], ...],
    options: SegmentKeywords,
    errors: tuple[type[Exception], ...],
) -> Outcome:
    batch = _batch(repr(args), argparse.Namespace(**dict(args)), repr(options), options)
    batch.pixels = [0, 0, 0]
    failed: list[str] = []
    with claims() as taken:
        shared = SharedBatch(
            [job], batch, taken, lambda _, error: failed.append(str(error)), errors
        )
        for group in shared.groups():
            for made, error in pipeline(group, errors=errors):
                shared.done(made)
                if error is not None:
                    made.close()
                    failed.append(str(error))
    return shared.skipped, batch.pixels, failed[0] if failed else None


_batches: dict[tuple[str, str], Batch] = {}


def _batch(key: str, args: argparse.Namespace, more: str, options: SegmentKeywords) -> Batch:
    """The engine is opened once in each worker."""
    if (key, more) not in _batches:
        _batches.clear()
        _batches[key, more] = Batch(args, open_engine(args), options, companions(args))
    return _batches[key, more]
