"""Builds a network of the list, and says how it runs."""

from __future__ import annotations

import importlib
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import pyengine

from .blocks import seeded
from .network import Network
from .torchvision_operators import allow_torchvision

TOLERANCE = 1e-4  # of the output's range


@dataclass(frozen=True)
class Outcome:
    """How a network ran."""

    way: str  # of `Network`, or "skipped", "refused"
    reason: str
    error: float  # of the output's range
    seconds: float


def run(network: Network) -> Outcome:
    """Make it, build it, and say how the engine runs it."""
    begin = time.monotonic()

    def outcome(way: str, reason: str = "", error: float = float("nan")) -> Outcome:
        return Outcome(way, reason, error, time.monotonic() - begin)

    try:
        source = made(network)
    except ImportError as missing:
        return outcome("skipped", str(missing))
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / "x.pyengine"
        try:
            report = pyengine.build(
                source,
                path,
                sample_shape=network.shape,
                tolerance=TOLERANCE,
                **dict(network.options),
            )
        except pyengine.UnsupportedError as error:
            return outcome("refused", str(error))
        info = pyengine.Engine(path).info
    if info.executor != "cpu":
        return outcome(info.executor, info.why_not_cpu, report.relative_error)
    way = "exact" if info.tileable else "whole"
    return outcome(way, info.not_tileable_reason, report.relative_error)


def made(network: Network) -> object:
    """The network, its weights always the same."""
    if {"segmentation_models_pytorch", "timm"} & set(network.needs):
        allow_torchvision()
    for name in network.needs:
        importlib.import_module(name)
    try:
        import torch
    except ImportError:
        return network.make()
    torch.manual_seed(0)
    source = network.make()
    return seeded(source) if isinstance(source, torch.nn.Module) else source
