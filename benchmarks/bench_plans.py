"""Building TensorRT plans ahead of time: seconds, and megabytes of the plan.

Runs where a plan can be built; TensorRT for RTX needs no GPU for it.
"""

from __future__ import annotations

import pytest
import torch

import pyengine
from train.models import UNet, UNetConfig

BUILDERS = [s.name for s in pyengine.executors() if s.name != "cpu" and not s.why_no_build]
pytestmark = pytest.mark.skipif(
    not BUILDERS, reason="no TensorRT library builds plans here; see pyengine info --executors"
)


@pytest.fixture(scope="module")
def unets(tmp_path_factory):
    """Engine files of untrained U-Nets of depth 4."""
    folder = tmp_path_factory.mktemp("unets")
    paths = {}
    for width in (16, 32, 64):
        torch.manual_seed(width)
        net = UNet(UNetConfig(base_width=width, depth=4, padding="valid")).eval()
        paths[f"base {width}"] = folder / f"base{width}.pyengine"
        pyengine.build(net, paths[f"base {width}"], sample_shape=(1, 1, 252, 252))
    return paths


@pytest.mark.parametrize("precision", ["fp16", "fp32"])
@pytest.mark.parametrize("executor", BUILDERS)
@pytest.mark.parametrize("name", [*pyengine.engines(), "base 16", "base 32", "base 64"])
def test_build_plan(benchmark, name, executor, precision, unets, tmp_path):
    def build():
        return pyengine.build_plan(
            unets.get(name, name), tmp_path / "x.pyengine", executor=executor, precision=precision
        )

    report = benchmark.pedantic(build, rounds=3)
    benchmark.extra_info |= {
        "plan_mb": round(report.plan_bytes / 1e6, 2),
        "tensorrt_seconds": round(report.seconds, 2),
        "library": f"{report.key['flavour']} {report.key['version']}",
        "relative_error": report.precision and report.precision.relative_error,
    }
