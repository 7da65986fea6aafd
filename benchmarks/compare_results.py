"""Two files of results side by side: ``python -m benchmarks.compare_results OLD.json NEW.json``.

A difference counts when the quartiles of the two do not overlap and the medians differ by more than
the machine drifts between two runs (``--drift``, 10 % by default). Everything else is noise.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any


def load(path: Path) -> dict[str, dict[str, float]]:
    """Statistics by benchmark, from pytest-benchmark's JSON."""
    try:
        content = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: not JSON ({error})") from error
    if "benchmarks" not in content:
        raise ValueError(f"{path}: not a file of pytest-benchmark")
    return {row["fullname"]: row["stats"] for row in content["benchmarks"]}


def verdict(old: dict[str, float], new: dict[str, float], drift: float) -> tuple[float, str]:
    """Old over new median, and "faster", "slower" or "noise"."""
    ratio = old["median"] / new["median"]
    apart = old["q1"] > new["q3"] or new["q1"] > old["q3"]
    if not apart or abs(ratio - 1) <= drift:
        return ratio, "noise"
    return ratio, "faster" if ratio > 1 else "slower"


def compare(old: Path, new: Path, drift: float) -> list[dict[str, Any]]:
    """One row per benchmark that both files hold, slowest change first."""
    before, after = load(old), load(new)
    rows = []
    for name in before.keys() & after.keys():
        ratio, word = verdict(before[name], after[name], drift)
        rows.append(
            {"name": name, "old_ms": 1e3 * before[name]["median"],
             "new_ms": 1e3 * after[name]["median"], "ratio": ratio, "verdict": word}
        )  # fmt: skip
    return sorted(rows, key=lambda row: row["ratio"])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--drift", type=float, default=0.1, help="relative; default 0.1")
    args = parser.parse_args()
    try:
        rows = compare(args.old, args.new, args.drift)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    if not rows:
        parser.error("the two files have no benchmark in common")
    for row in rows:
        name = row["name"].split("::")[-1]
        print(
            f"{name:<48} {row['old_ms']:10.2f} ms {row['new_ms']:10.2f} ms  {row['ratio']:5.2f}  "
            f"{row['verdict']}"
        )
    words = [row["verdict"] for row in rows]
    print(", ".join(f"{words.count(w)} {w}" for w in ("faster", "slower", "noise")))


if __name__ == "__main__":
    main()
