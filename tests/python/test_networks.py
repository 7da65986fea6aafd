"""Networks that people have: each builds, runs in its way and agrees with its source."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1]))

from networks import NETWORKS, Network
from networks.run import TOLERANCE, run

TENTH = NETWORKS[::10]


def cases() -> list[object]:
    return [
        pytest.param(n, id=n.name, marks=[] if n in TENTH else [pytest.mark.networks])
        for n in NETWORKS
    ]


@pytest.mark.parametrize("network", cases())
def test_network_runs_in_its_way_and_agrees(network: Network) -> None:
    found = run(network)
    if found.way == "skipped":
        pytest.skip(found.reason)
    assert (found.way, found.error <= TOLERANCE) == (network.way, True), found


def test_the_list_is_long_and_most_run_on_the_cpu_engine() -> None:
    assert len({network.name for network in NETWORKS}) == len(NETWORKS) >= 100
    assert sum(network.way != "onnxruntime" for network in NETWORKS) >= 75
