"""What a command does when nobody reads its output any more (``pyengine ... | head``)."""

from __future__ import annotations

import os
import sys


def discard_output() -> None:
    """Send what is left to print nowhere, so that Python's own last flush does not complain."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
