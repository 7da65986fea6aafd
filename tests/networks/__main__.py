"""Prints how each network of the list runs: ``python -m tests.networks [words of its name]``."""

from __future__ import annotations

import collections
import sys

from . import NETWORKS
from .run import run


def main(words: list[str]) -> None:
    """All networks, or those whose names hold one of the words."""
    ways = collections.Counter()
    for network in NETWORKS:
        if words and not any(word.lower() in network.name.lower() for word in words):
            continue
        try:
            found = run(network)
        except Exception as error:
            print(
                f"{network.name:45} FAILED {type(error).__name__}: {str(error)[:200]}", flush=True
            )
            ways["failed"] += 1
            continue
        ways[found.way] += 1
        note = "" if found.way == network.way else f" (expected {network.way})"
        print(
            f"{network.name:45} {found.way + note:34} {found.error:8.1e} {found.seconds:5.1f} s  "
            f"{found.reason[:160]}", flush=True,
        )  # fmt: skip
    print(dict(ways))


main(sys.argv[1:])
