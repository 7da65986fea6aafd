"""What a command does when nobody reads its output any more (``pyengine ... | head``)."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_when_closed() -> Iterator[None]:
    """End the block without a word when standard output turns out to be closed."""
    try:
        yield
        sys.stdout.flush()  # a closed pipe is met here, not in Python's own last flush
    except BrokenPipeError:
        # What is left to print goes nowhere, so that the last flush does not complain either.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
