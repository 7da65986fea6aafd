"""The build step: a trained network becomes an engine file."""

from __future__ import annotations

from pyengine.builder.build import build
from pyengine.builder.parity import BuildReport, verify

__all__ = ["BuildReport", "build", "verify"]
