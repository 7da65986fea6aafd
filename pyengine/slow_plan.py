"""Plans whose memory limit costs time: told, with the way out."""

from __future__ import annotations

import warnings

from pyengine import _core
from pyengine.arguments import SegmentKeywords, segment_options
from pyengine.info import EngineInfo

# As long as without a limit; below, nobody needs to be told.
_SLOW = 2.0
_WORTH_IT = 1.25
_MOST_BYTES = 1 << 42
_KEPT = 64


class SlowPlanWarning(UserWarning):
    """The memory limit makes tiles so small that most of the time goes into their borders."""


class SlowPlans:
    """Warns once for each size and option."""

    def __init__(self, core: _core.Engine | None, info: EngineInfo) -> None:
        self._core = core
        self._on_cpu = info.device == "cpu"
        self._seen: dict[tuple[object, ...], None] = {}

    def warn(self, height: int, width: int, options: SegmentKeywords) -> None:
        """Warn if the plan for an image of this size is a slow one."""
        key = (height, width, *(options.get(k) for k in ("tile", "max_memory", "batch_size")))
        if self._core is None or not self._on_cpu or key in self._seen:
            return
        if len(self._seen) >= _KEPT:
            self._seen.clear()
        self._seen[key] = None
        plan = self._core.plan(height, width, segment_options(**options))
        if plan["slowdown"] <= _SLOW:
            return
        limit = options.get("max_memory")
        said = f"max_memory={limit}" if limit else "half of the memory that was free"
        tile = " x ".join(map(str, plan["tile"]))
        warnings.warn(
            f"{said} cuts {height} x {width} px into tiles of {tile} px, which takes about "
            f"{plan['slowdown']:.1f} times as long as larger ones; "
            f"max_memory={self._enough(self._core, height, width, options, plan['memory_bytes'])} is enough "
            "for these",
            SlowPlanWarning,
            stacklevel=3,
        )

    def _enough(
        self, core: _core.Engine, height: int, width: int, options: SegmentKeywords, least: int
    ) -> int:
        """Bytes from which on a plan is not slow."""
        limit = least
        while limit < _MOST_BYTES:
            limit *= 2
            more: SegmentKeywords = {**options, "max_memory": limit}
            plan = core.plan(height, width, segment_options(**more))
            if plan["slowdown"] <= _WORTH_IT:
                return int(plan["memory_bytes"])
        return limit
