"""What a live stream does, on a terminal: a table that is drawn anew, or a line every second."""

from __future__ import annotations

import abc
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from pyengine.stream import StreamStatistics

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table


@dataclass(frozen=True)
class Snapshot:
    """A stream at one time."""

    rate_hz: float
    """At which frames are brought."""
    time_s: float
    statistics: StreamStatistics

    @property
    def computed(self) -> int:
        return self.statistics.done + self.statistics.late

    def share(self, count: int) -> str:
        """Of the frames that were brought."""
        return f"{count / max(1, self.statistics.submitted):.1%}"

    def line(self) -> str:
        s = self.statistics
        parts = [
            f"{s.submitted} frames at {self.rate_hz:g}/s: {self.computed} computed",
            f"{self.share(s.replaced)} replaced",
        ]
        for name in ("late", "expired", "refused", "failed"):
            count = getattr(s, name)
            if count:
                parts.append(f"{self.share(count)} {name}")
        parts.append(
            f"age p50 {1e3 * s.age.p50:.1f} ms, p99 {1e3 * s.age.p99:.1f} ms, "
            f"max {1e3 * s.age.max:.1f} ms"
        )
        return ", ".join(parts)


class Dashboard(abc.ABC):
    """Shows snapshots.

    Attributes
    ----------
    period_s : float
        How often.
    """

    period_s: float

    @abc.abstractmethod
    def show(self, snapshot: Snapshot) -> None:
        """Show the stream as it is now."""


class _Lines(Dashboard):
    """For files, pipes, and where rich is not installed."""

    period_s = 1.0

    def __init__(self, out: IO[str]) -> None:
        self._out = out

    def show(self, snapshot: Snapshot) -> None:
        print(snapshot.line(), file=self._out, flush=True)


class _Panel(Dashboard):
    """A table in place, by rich."""

    period_s = 0.25

    def __init__(self, title: str, live: Live) -> None:
        self._title, self._live = title, live
        self._before: Snapshot | None = None

    def show(self, snapshot: Snapshot) -> None:
        self._live.update(self._table(snapshot), refresh=True)
        self._before = snapshot

    def _table(self, now: Snapshot) -> Table:
        from rich.table import Table

        s = now.statistics
        table = Table(title=self._title, show_header=False)
        table.add_row("frames in", f"{s.submitted} at {now.rate_hz:g}/s")
        table.add_row("results out", f"{now.computed} at {self._rate(now)}/s")
        for name, d in (("age", s.age), ("compute", s.compute)):
            table.add_row(
                f"{name} p50 / p99 / max",
                f"{1e3 * d.p50:.1f} / {1e3 * d.p99:.1f} / {1e3 * d.max:.1f} ms",
            )
        for name in ("replaced", "late", "expired", "refused", "failed"):
            count = getattr(s, name)
            table.add_row(name, f"{count} ({now.share(count)})")
        return table

    def _rate(self, now: Snapshot) -> str:
        """Results per second since the last table."""
        if self._before is None:
            return "-"
        computed = now.computed - self._before.computed
        return f"{computed / (now.time_s - self._before.time_s):.1f}"


@contextlib.contextmanager
def open_dashboard(title: str, out: IO[str]) -> Iterator[Dashboard]:
    """The dashboard that `out` can show."""
    if out.isatty():
        try:
            from rich.console import Console
            from rich.live import Live
        except ImportError:
            pass
        else:
            with Live(console=Console(file=out), auto_refresh=False, transient=True) as live:
                yield _Panel(title, live)
            return
    print(title, file=out)
    yield _Lines(out)
