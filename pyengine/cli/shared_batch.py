"""The images of a batch that this process makes, where others may work on the same folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from pyengine.claims import Claims
from pyengine.cli.segment_job import Batch, Job, result_name
from pyengine.formats.format import Location
from pyengine.formats.registry import locate, locate_result
from pyengine.formats.remote import url_of
from pyengine.made_files import end_of_notes


class SharedBatch:
    """Jobs, each claimed before it is given, and again those that others gave up.

    Parameters
    ----------
    jobs : list of (str, str)
        Images and their results.
    batch : Batch
    claims : Claims
    failed : callable
        ``failed(path, error)`` is told of images that are not there any more.
    errors : tuple of exception types
        What an image may fail with.

    Attributes
    ----------
    skipped_jobs : list of Job
        Those that were made already, or by others meanwhile.
    """

    def __init__(
        self,
        jobs: list[tuple[str, str]],
        batch: Batch,
        claims: Claims,
        failed: Callable[[str, Exception], None],
        errors: tuple[type[Exception], ...],
    ) -> None:
        self._jobs, self._batch, self._claims = jobs, batch, claims
        self._failed, self._errors = failed, errors
        self.skipped_jobs: list[Job] = []
        folders = {self._result(target).path.parent for _, target in jobs if not _is_remote(target)}
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
        self._ends: dict[Path, int] = {folder: end_of_notes(folder) for folder in folders}

    def groups(self) -> Iterator[Iterator[Job]]:
        """Jobs that may be done side by side; each group once the one before is done.

        First come those that nobody has, then what others had, one by one.
        """
        taken_by_others: list[tuple[str, str]] = []
        yield self._free(taken_by_others)
        for path, target in taken_by_others:
            result = self._result(target)
            self._claims.take(result.path, result_name(result), wait=True)
            yield self._claimed(path, target)

    def _free(self, taken_by_others: list[tuple[str, str]]) -> Iterator[Job]:
        for path, target in self._jobs:
            result = self._result(target)
            if _is_remote(target) or self._claims.take(result.path, result_name(result)):
                yield from self._claimed(path, target)
            else:
                taken_by_others.append((path, target))

    def done(self, job: Job) -> None:
        """Give a job up, made or failed."""
        if not _is_remote(job.target):
            self._claims.give_up(job.result.path, job.name)

    def _claimed(self, path: str, target: str) -> Iterator[Job]:
        result = self._result(target)
        try:
            job = Job(path, target, self._batch, self._ends.get(result.path.parent, 0))
        except self._errors as error:
            if not _is_remote(target):
                self._claims.give_up(result.path, result_name(result))
            self._failed(path, error)
            return
        if job.is_done:
            self.skipped_jobs.append(job)
            self.done(job)
            return
        yield job

    @property
    def skipped(self) -> int:
        """How many were skipped."""
        return len(self.skipped_jobs)

    def _result(self, target: str) -> Location:
        return locate_result(target, self._batch.args.output_kind)


def _is_remote(target: str) -> bool:
    """Whether a result goes where there are no locks."""
    return url_of(locate(target).path) is not None
