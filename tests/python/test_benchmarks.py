"""What the benchmark scripts decide by themselves: verdicts and the times of layers."""

from __future__ import annotations

import json

import numpy as np
import pytest

import pyengine
from benchmarks import compare_builds, cores, size_scaling
from benchmarks.compare_results import compare, verdict
from benchmarks.pairs import alternate
from pyengine import _core


def stats(q1: float, median: float, q3: float) -> dict[str, float]:
    return {"q1": q1, "median": median, "q3": q3}


@pytest.mark.parametrize(
    ("new", "word"),
    [
        (stats(4.9, 5.0, 5.1), "faster"),
        (stats(19, 20, 21), "slower"),
        (stats(9.2, 9.5, 9.7), "noise"),  # apart, but less than the drift
        (stats(4.0, 7.0, 9.95), "noise"),  # far, but the quartiles overlap
    ],
)
def test_only_differences_beyond_quartiles_and_drift_count(new, word) -> None:
    assert verdict(stats(9.9, 10.0, 10.1), new, drift=0.1)[1] == word


def test_results_are_compared_by_name_worst_first(tmp_path) -> None:
    def write(name: str, medians: dict[str, float]):
        rows = [{"fullname": k, "stats": stats(v, v, v)} for k, v in medians.items()]
        (tmp_path / name).write_text(json.dumps({"benchmarks": rows}))
        return tmp_path / name

    old, new = write("a.json", {"x": 1, "y": 1, "gone": 1}), write("b.json", {"x": 0.5, "y": 2})
    rows = compare(old, new, 0.1)
    assert [(r["name"], r["ratio"], r["verdict"]) for r in rows] == [
        ("y", 0.5, "slower"), ("x", 2.0, "faster"),
    ]  # fmt: skip
    (tmp_path / "c.json").write_text("{}")
    with pytest.raises(ValueError, match=r"c\.json: not a file of pytest-benchmark"):
        compare(old, tmp_path / "c.json", 0.1)


def test_alternation_pairs_each_call_with_the_reference() -> None:
    order: list[str] = []
    calls = {name: (lambda name=name: order.append(name)) for name in ("a", "b")}
    ratios = alternate(calls, "a", rounds=20, pause_s=0)
    rounds = ["".join(order[i : i + 4]) for i in range(0, len(order), 4)]
    assert len(rounds) == 20
    assert set(rounds) == {"aabb", "bbaa"}
    assert (ratios["a"].ratios == 1).all()


def test_builds_are_compared_by_both_copies_of_each() -> None:
    pace = np.linspace(1, 2, 100)  # of the machine, from round to round
    odd = np.arange(100) % 2
    old, new = (pace, pace * 1.21), (pace * 0.81 * (1 + 0.1 * odd), pace)
    rows = compare_builds.over_the_first({"old": old, "new": new})
    assert rows["old"]["ratio"] == rows["old"]["ratio_low"] == rows["old"]["ratio_high"] == 1
    assert rows["old"]["copies"] == pytest.approx(1.21)
    low, high = 0.9 / 1.1, 0.9 / 1.1 * 1.1**0.5
    assert rows["new"]["ratio_low"] == pytest.approx(low, abs=1e-4)
    assert rows["new"]["ratio_high"] == pytest.approx(high, abs=1e-4)
    assert rows["new"]["ratio"] == pytest.approx((low + high) / 2, abs=1e-4)


def test_builds_that_cannot_be_compared_are_refused_at_once(tmp_path, monkeypatch, capsys) -> None:
    library = tmp_path / "libpyengine.so"
    library.touch()
    for arguments, message in [
        ([str(library), "gone.so:avx2"], "no such file: gone.so:avx2"),
        ([str(library), str(library)], "each library once"),
    ]:
        monkeypatch.setattr("sys.argv", ["compare_builds", *arguments])
        with pytest.raises(SystemExit):
            compare_builds.main()
        assert message in capsys.readouterr().err


def test_scaling_divides_by_the_pace_of_the_moment(monkeypatch) -> None:
    """An engine of constant time per pixel plus 100 pixels a call, on a machine that slows down."""

    class Clock:
        now = 0.0
        pace = 1.0

        def perf_counter(self) -> float:
            return self.now

    clock = Clock()

    class Slowing:
        def segment(self, image: np.ndarray) -> None:
            clock.now += (image.size + 100) * clock.pace
            clock.pace *= 1.01

    monkeypatch.setattr(size_scaling, "time", clock)
    rows = size_scaling.scaling(Slowing(), [10, 20], reference=20, rounds=5, at_least_s=1e-6)
    assert [row["size_px"] for row in rows] == [10, 20]
    assert rows[0]["ratio"] == pytest.approx(2 / 1.25, rel=1e-3)
    assert rows[1]["ratio"] == pytest.approx(1, rel=1e-3)


def test_profile_accounts_for_the_network(membranes) -> None:
    layers = membranes.profile(128, 160, passes=3)
    assert all(layer.seconds >= 0 and layer.bytes > 0 for layer in layers)
    convolutions = [layer for layer in layers if layer.flops]
    table = [layer for layer in membranes.info.layers if layer.op.startswith("conv")]
    assert [layer.layer for layer in convolutions] == [layer.name for layer in table]
    # At least the network's own operations; more for the context around the image.
    total = sum(layer.flops for layer in layers)
    assert total > membranes.info.flops_per_pixel * 128 * 160
    with pytest.raises(ValueError, match="passes must be >= 1, got 0"):
        membranes.profile(64, 64, passes=0)
    with pytest.raises(ValueError, match="height must be >= 1, got -1"):
        membranes.profile(-1, 64)


def test_the_planners_cost_grows_with_context_computed_twice(membranes) -> None:
    costs = [membranes.plan(1024, 1024, tile=t, max_memory=1 << 34).cost for t in (1024, 256, 64)]
    assert costs == sorted(costs)
    assert costs[0] > 0


@pytest.mark.parametrize("isa", [i for i in _core.isas() if i not in ("fused", "reference")])
def test_the_peak_counts_work_that_is_done(isa) -> None:
    rates = _core.multiply_add_rates(isa, 2, 3)
    assert len(rates) == 3
    assert np.isfinite(rates).all()
    with pytest.raises(ValueError, match="threads 0 must be at least 1"):
        _core.multiply_add_rates(isa, 0)
    with pytest.raises(ValueError, match="runs 0 must be at least 1"):
        _core.multiply_add_rates(isa, 1, 0)
    with pytest.raises(pyengine.UnsupportedError, match="reference"):
        _core.multiply_add_rates("reference", 1)


def test_runs_on_shared_and_separate_cores_are_counted() -> None:
    one = np.array([50.0, 100.0, 100.0, 100.0])
    result = cores.summary(one, np.array([100.0, 100.0, 140.0, 200.0]), threads=2)
    assert result["all_over_one"] == [1.0, 1.2, 1.55, 2.0]
    assert result["runs_as_one_core"] == 0.5
    assert result["runs_as_cores_apart"] == 0.25
