"""The command line: ``pyengine VERB ...``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from pyengine.cli.closed_pipe import quiet_when_closed
from pyengine.cli.parser import make_parser
from pyengine.cli.segment import DEMOS
from pyengine.cli.told_warnings import warnings_in_one_line

USAGE_ERROR = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb.

    Parameters
    ----------
    argv : sequence of str, optional
        Default: the process's arguments.

    Returns
    -------
    int
        0 on success, 1 if some work failed, 2 on a usage error.
    """
    parser = make_parser()
    args = parser.parse_args(argv)
    try:
        with quiet_when_closed(), warnings_in_one_line():
            return int(args.run(args))
        return 0
    except (ValueError, TypeError, OSError, ImportError, MemoryError, FloatingPointError) as error:
        print(f"pyengine: error: {error}", file=sys.stderr)
        return USAGE_ERROR
    except KeyboardInterrupt:
        print("pyengine: interrupted", file=sys.stderr)
        return 130


__all__ = ["DEMOS", "main"]
