"""What an engine says of itself and of its results: immutable records."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pyengine.html import bar, html_facts, swatches
from pyengine.outputs import NamedOutput, named_outputs
from pyengine.read_only import ReadOnlyDict


@dataclass(frozen=True)
class LayerInfo:
    """One row of the layer table."""

    name: str
    op: str
    channels: int
    """Output channels."""
    parameters: int
    flops_per_pixel: float
    """Per output pixel of the network; multiply-adds count twice."""
    stride_px: float
    """Input pixels per step of this layer's grid."""


@dataclass(frozen=True)
class LayerTime:
    """Where the time of one pass goes: one operation, with the activations fused into it."""

    layer: str
    """Name in the graph."""
    algorithm: str
    """``"winograd"``, ``"direct"``, ``"depthwise"``, ``"pool"``, ``"copy"`` and so on."""
    seconds: float
    """Median over the passes."""
    flops: float
    """Multiply-adds count twice, those of the direct algorithm."""
    bytes: float
    """Inputs, outputs and weights, each once."""


@dataclass(frozen=True)
class EngineInfo:
    """What an engine file says of itself. Sizes are in pixels."""

    path: str
    task: str
    """``"segmentation"`` or ``"classification"``"""
    classes: tuple[str, ...]
    """Names; the label is the index."""
    colors: tuple[tuple[int, int, int], ...]
    """RGB of each class, for overlays."""
    input: Mapping[str, Any]
    """``channels``, ``dtype``, ``preprocessing``, ``sample_size_px`` as in the file."""
    axes: str
    """``"yx"``: the network takes images, ``"zyx"``: volumes."""
    halo: int
    """Context around a tile, derived from the network."""
    alignment: int
    """Tile origins and sizes are multiples of it."""
    margin: int
    """Lost on each side by valid convolutions."""
    receptive_field: int
    tileable: bool
    not_tileable_reason: str
    activation: str
    """From logits to probabilities: ``"softmax"``, ``"sigmoid"`` or ``"none"``."""
    parameters: int
    flops_per_pixel: float
    """Of a whole-image pass; for classification, of one image."""
    outputs: int
    """Channels of probabilities and logits."""
    results: tuple[NamedOutput, ...]
    """Results by name, where the network has several or one of another resolution; else empty."""
    provenance: Mapping[str, Any]
    parity: Mapping[str, Any]
    """What the build step measured against the source network."""
    executor: str
    """``"cpu"``, ``"tensorrt"``, ``"onnxruntime"`` or ``"callable"``"""
    why_not_cpu: str
    """Why the CPU engine does not run the network, where onnxruntime does; else empty."""
    device: str
    """What computes: ``"cpu"`` or ``"cuda:N"``."""
    gpu: str
    """GPU, library and precision in use; empty on the CPU."""
    why_not_gpu: str
    """Why a GPU was not taken though one was asked for or possible."""
    isa: str
    """Instruction set in use; ``"portable"`` where no kernels are written for this processor, which
    then computes several times slower than it could, ``"reference"`` slower by far."""
    threads: int
    layers: tuple[LayerInfo, ...] = field(repr=False)
    manifest: Mapping[str, Any] = field(repr=False)

    def _repr_html_(self) -> str:
        channels = self.input["channels"]
        tiles = f"exact, halo {self.halo} px, alignment {self.alignment} px"
        facts = [
            ("task", self.task),
            ("classes", swatches(self.classes, self.colors)),
            ("input", f"{channels} channel{'s'[: channels > 1]}, {self.input.get('dtype', '')}"),
            ("parameters", f"{self.parameters:,}"),
            ("work", f"{self.flops_per_pixel / 1e3:,.1f} kFLOP per pixel"),
            ("tiles", tiles if self.tileable else f"none: {self.not_tileable_reason}"),
            ("runs on", f"{self.gpu or self.device} ({self.executor}, {self.isa}), "
                        f"{self.threads} thread{'s'[: self.threads > 1]}"),
            ("file", self.path),
        ]  # fmt: skip
        return html_facts(Path(self.path).stem, facts)


@dataclass(frozen=True)
class TilePlan:
    """How an image will be cut; all pairs are (height, width) in pixels."""

    tile: tuple[int, int]
    window: tuple[int, int]
    """Pixels that the network reads for one tile."""
    context: tuple[int, int]
    """Of these, pixels above and left of the tile."""
    grid: tuple[int, int]
    """Tiles down and across."""
    batch_size: int
    memory_bytes: int
    cost: float
    """Estimated time of all tiles, in no unit: ratios of plans of one engine matter."""
    slowdown: float
    """`cost` over that of the best plan that more memory would allow."""
    origin: tuple[int, int]
    """Where the first tile begins: at the region, or above and left of it."""
    origin_step: int
    """Tiles begin at multiples of it."""
    reach: int
    """How far beyond a tile the image's end still matters to it."""

    def _repr_html_(self) -> str:
        facts = [
            ("tiles", f"{self.grid[0]} x {self.grid[1]} of {self.tile[0]} x {self.tile[1]} px"),
            ("window", f"{self.window[0]} x {self.window[1]} px"),
            ("at a time", self.batch_size),
            ("memory", f"{self.memory_bytes / 1e6:,.0f} MB"),
            ("time", f"{self.slowdown:.2f} of what more memory would allow"),
        ]
        return html_facts("Tiles", facts)


@dataclass(frozen=True)
class MemoryUse:
    """What an engine holds, in bytes."""

    weights_bytes: int
    """Until it is closed."""
    in_use_bytes: int
    """Working memory of calls that run."""
    idle_bytes: int
    """Working memory kept for later calls; `Engine.trim` frees it."""


@dataclass(frozen=True)
class Classification:
    """Result of `Engine.classify`."""

    label: str
    index: int
    probabilities: npt.NDArray[np.float32]
    """Shape (K,), sums to 1 over classes (softmax)."""
    classes: tuple[str, ...] = field(default=(), repr=False)
    """Names, in the order of `probabilities`."""

    def _repr_html_(self) -> str:
        names = self.classes or tuple(map(str, range(len(self.probabilities))))
        ranked = sorted(zip(names, self.probabilities.tolist(), strict=True), key=lambda p: -p[1])
        return html_facts(self.label, [(name, bar(share)) for name, share in ranked])


def read_info(core: dict[str, Any], path: str, network: str) -> EngineInfo:
    """`EngineInfo` from what the native core reports; `network` names what computes in its place."""
    manifest = json.loads(core["manifest_json"])
    return EngineInfo(
        path=path,
        task=core["task"],
        classes=tuple(name for name, _ in core["classes"]),
        colors=tuple(color for _, color in core["classes"]),
        input=ReadOnlyDict(manifest["input"]),
        axes="zyx" if core["volume"] else "yx",
        halo=core["halo"],
        alignment=core["alignment"],
        margin=core["margin"],
        receptive_field=core["receptive_field"],
        tileable=core["tileable"],
        not_tileable_reason=core["not_tileable_reason"],
        activation=core["activation"],
        parameters=core["parameters"],
        flops_per_pixel=core["flops_per_pixel"],
        outputs=core["outputs"],
        results=named_outputs(manifest),
        provenance=ReadOnlyDict(manifest.get("provenance", {})),
        parity=ReadOnlyDict(manifest.get("parity", {})),
        executor=network or ("tensorrt" if core["gpu"] else "cpu"),
        why_not_cpu=manifest.get("executor", {}).get("reason", ""),
        device=core["device"],
        gpu=core["gpu"],
        why_not_gpu=core["why_not_gpu"],
        isa=core["isa"],
        threads=core["threads"],
        layers=tuple(LayerInfo(*row) for row in core["layers"]),
        manifest=ReadOnlyDict(manifest),
    )
