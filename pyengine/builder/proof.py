"""What must hold before an engine file is written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from pyengine import _core
from pyengine.builder.container import serialize
from pyengine.builder.departure import first_departure
from pyengine.builder.expected import check_expected
from pyengine.builder.network import BuiltNetwork
from pyengine.builder.parity import BuildReport, compare
from pyengine.builder.sizes import why_one_size
from pyengine.context_probe import probe
from pyengine.engine import Engine
from pyengine.inputs.source import Array, Source
from pyengine.outputs import fold


def prove(
    path: Path,
    target: Path,
    source: Source,
    network: BuiltNetwork,
    manifest: dict[str, Any],
    inputs: list[Array],
    tolerance: float,
) -> BuildReport:
    """Write the engine to `path`, and compare it with its source.

    Parameters
    ----------
    path, target : Path
        A temporary file, and what it will be called; for messages.
    source : Source
    network : BuiltNetwork
    manifest : dict
    inputs : list of ndarray
        Network inputs.
    tolerance : float
        As in `build`.

    Raises
    ------
    UnsupportedError
        The network needs more context than its graph says.
    ValueError
        Parity beyond the tolerance, or what only the core can judge of the arguments.
    """
    path.write_bytes(serialize(manifest, network.graph_json, network.tensors))
    try:
        engine = Engine(path)
    except _core.EngineFileError as error:
        raise ValueError(str(error).replace(str(path), f"{target}: not written")) from None
    report = compare(engine, source.run, inputs, tolerance)
    if not report.passed:
        where = ""
        if network.graph is not None:
            where = first_departure(
                source.model, network.graph_json, network.tensors, inputs[0], tolerance
            )
        raise ValueError(
            f"{target}: not written, the engine differs from its source: {report}{where}"
        )
    check_expected(engine, source.expected, tolerance)
    report = replace(report, why_not_cpu=network.executor.get("reason", ""), notes=source.notes)
    return _beyond_the_sample(engine, source, network, report, tolerance)


def _beyond_the_sample(
    engine: Engine, source: Source, network: BuiltNetwork, report: BuildReport, tolerance: float
) -> BuildReport:
    """What holds beyond the sample: other sizes, and the context that tiles need."""
    geometry = network.geometry
    if not geometry["dense"]:
        return report

    def run(x: Array) -> Array:
        return fold(source.run(x), network.outputs)

    shape = source.sample_shape
    why = network.fixed_size
    if not source.any_size:
        why = why or why_one_size(engine.run, source.run, shape, geometry["alignment"], tolerance)
    if why:
        return replace(report, fixed_size=why)
    if geometry["tileable"] and (said := probe(run, geometry, shape[1], shape[2:])):
        raise _core.UnsupportedError(f"{source.description}: {said}")
    return report


def measure_frozen(
    path: Path,
    source: Source,
    network: BuiltNetwork,
    manifest: dict[str, Any],
    inputs: list[Array],
    report: BuildReport,
) -> BuildReport:
    """How far a network of frozen statistics departs from its source, noted in the report."""
    path.write_bytes(serialize(manifest, network.graph_json, network.tensors))
    engine = Engine(path)
    found = compare(engine, source.run, inputs, report.tolerance)
    geometry, shape = network.geometry, source.sample_shape

    def run(x: Array) -> Array:
        return fold(engine.run(x), network.outputs)

    if geometry["tileable"] and (said := probe(run, geometry, shape[1], shape[2:])):
        raise _core.UnsupportedError(f"{source.description}: {said}")
    frozen = {
        "relative_error": found.relative_error, "label_agreement": found.label_agreement,
        "images": len(inputs),
    }  # fmt: skip
    return replace(report, frozen=frozen)
