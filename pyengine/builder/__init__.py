"""The build step: a trained network becomes an engine file."""

from __future__ import annotations

from pyengine.builder.bioimageio_export import export_package
from pyengine.builder.build import OnnxruntimeWarning, build
from pyengine.builder.parity import BuildReport, verify
from pyengine.builder.precision import PrecisionReport
from pyengine.builder.sizes import FixedSizeWarning
from pyengine.builder.tensorrt_plans import PlanReport, build_plan

__all__ = [
    "BuildReport",
    "FixedSizeWarning",
    "OnnxruntimeWarning",
    "PlanReport",
    "PrecisionReport",
    "build",
    "build_plan",
    "export_package",
    "verify",
]
