"""Warnings of the library, as one line each on the command line."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Iterator
from typing import Any

from pyengine.builder import FixedSizeWarning, OnnxruntimeWarning
from pyengine.input_range import InputRangeWarning
from pyengine.slow_plan import SlowPlanWarning

_OURS = (InputRangeWarning, SlowPlanWarning, FixedSizeWarning, OnnxruntimeWarning)


@contextlib.contextmanager
def warnings_in_one_line() -> Iterator[None]:
    """Show each of the library's warnings, every time, as one line of stderr."""
    with warnings.catch_warnings():
        for category in _OURS:
            warnings.simplefilter("always", category)
        show = warnings.showwarning

        def show_line(message: Any, category: type[Warning], *rest: Any, **more: Any) -> None:
            if issubclass(category, _OURS):
                print(f"pyengine: warning: {message}", file=sys.stderr)
            else:
                show(message, category, *rest, **more)

        warnings.showwarning = show_line
        yield
