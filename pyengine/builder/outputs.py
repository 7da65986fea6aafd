"""Which of a network's outputs an engine gives, and how they lie on the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pyengine import _core
from pyengine.builder.graph import GraphBuilder
from pyengine.inputs.source import Array, Network, Source
from pyengine.outputs import NamedOutput

if TYPE_CHECKING:
    import onnx

# What the engine file takes: strides of enlargements.
_MOST_TIMES = 64


def choose_outputs(
    source: Source, sample: Array, names: str | Sequence[str] | None
) -> tuple[Source, list[str]]:
    """The source with the outputs that were asked for alone.

    Parameters
    ----------
    source : Source
    sample : ndarray
        A network input.
    names : str or sequence of str, optional
        None: the network has one output.

    Returns
    -------
    Source
        Its `run` returns one array for one name, else a list.
    list of str
        The names; empty where the network has one output, which need not be named.

    Raises
    ------
    ValueError
        Several outputs and no choice, or a name that there is not; all are listed with shapes.
    """
    known = [value.name for value in source.model.graph.output]
    wanted = [names] if isinstance(names, str) else list(names or ())
    if len(known) == 1 and wanted in ([], known):
        return source, []
    results = source.run(sample)
    arrays = results if isinstance(results, list) else [results]
    shapes = dict(zip(known, (array.shape for array in arrays), strict=True))
    if not wanted or set(wanted) - set(known) or len(set(wanted)) < len(wanted):
        raise ValueError(_advice(source.description, shapes, wanted, sample.shape))
    indices = [known.index(name) for name in wanted]
    return replace(
        source, model=_with_outputs(source.model, wanted), run=_only(source.run, indices),
        of_any_size=source.of_any_size
        and (lambda: _with_outputs(source.of_any_size(), wanted)),  # type: ignore[misc]
    ), wanted  # fmt: skip


def _advice(
    description: str,
    shapes: dict[str, tuple[int, ...]],
    wanted: list[str],
    image: tuple[int, ...],
) -> str:
    listed = ", ".join(f"{name!r} {shape}" for name, shape in shapes.items())
    text = f"{description}: the network has {len(shapes)} outputs: {listed}; "
    if wanted:
        return text + f"output_name {', '.join(map(repr, wanted))} is not some of them, each once"
    full = [name for name, shape in shapes.items() if shape[2:] == image[2:]]
    channels = {shape[1] for shape in shapes.values() if len(shape) == 4}
    text += "choose one by output_name=, or several as named results"
    if len(full) == 1 and len(channels) == 1:  # deep supervision
        return text + f"; {full[0]!r} is the one of the image's resolution"
    if len(full) > 1:
        return text + f" such as output_name=({', '.join(map(repr, full))})"
    return text


def _only(run: Network, indices: list[int]) -> Network:
    def some(x: Array) -> Array | list[Array]:
        results = run(x)
        arrays = results if isinstance(results, list) else [results]
        return arrays[indices[0]] if len(indices) == 1 else [arrays[i] for i in indices]

    return some


def _with_outputs(model: onnx.ModelProto, names: Sequence[str]) -> onnx.ModelProto:
    import onnx

    chosen = onnx.ModelProto()
    chosen.CopyFrom(model)
    by_name = {value.name: value for value in model.graph.output}
    del chosen.graph.output[:]
    chosen.graph.output.extend(by_name[name] for name in names)
    return chosen


def lay_out(
    results: Array | list[Array], names: list[str], image: tuple[int, ...], dense: bool
) -> tuple[NamedOutput, ...]:
    """How the results of a network lie on its input of shape `image`, as the engine's outputs.

    Parameters
    ----------
    results : ndarray or list
        What the source network returns.
    names : list of str
        Theirs.
    dense : bool
        Whether a single result has one value for each pixel of the image, but for a margin.

    Returns
    -------
    tuple of NamedOutput
        Empty where nothing needs to be said: one result, of the image's resolution or of the whole
        image.

    Raises
    ------
    UnsupportedError
        A result of no whole number of pixels for each of the image's, or the other way.
    """
    arrays = results if isinstance(results, list) else [results]
    single = len(arrays) == 1
    whole = arrays[0].ndim == 2 or arrays[0].shape[2:] == (1, 1)
    if single and (dense or whole):
        return ()
    found: list[NamedOutput] = []
    first = 0
    margin = not single and _lost_alike([array.shape for array in arrays], image)
    for name, array in zip(names, arrays, strict=True):
        shrink, enlarge = (1, 1) if margin else _scale(name, array.shape, image)
        planes = array.shape[1] * enlarge**2
        found.append(NamedOutput(name, first, planes, shrink=shrink, enlarge=enlarge))
        first += planes
    return tuple(found)


def _lost_alike(shapes: list[tuple[int, ...]], image: tuple[int, ...]) -> bool:
    """Whether all results lose the same margin on all sides, as by convolutions without padding."""
    if len({shape[2:] for shape in shapes}) != 1 or any(len(shape) != 4 for shape in shapes):
        return False
    lost = {n - own for n, own in zip(image[2:], shapes[0][2:], strict=True)}
    return len(lost) == 1 and 0 < 2 * lost.pop() < min(image[2:])


def _scale(name: str, shape: tuple[int, ...], image: tuple[int, ...]) -> tuple[int, int]:
    if len(shape) == 4:
        for small, large, is_shrunk in ((shape, image, True), (image, shape, False)):
            times = large[2] // small[2]
            if times <= _MOST_TIMES and tuple(n * times for n in small[2:]) == large[2:]:
                return (times, 1) if is_shrunk else (1, times)
    raise _core.UnsupportedError(
        f"output {name!r} has the shape {shape}, the image has {image}: results have as many pixels "
        "as the image, or whole multiples or parts along both axes"
    )


def join(
    graph: GraphBuilder, tensors: list[str], outputs: tuple[NamedOutput, ...]
) -> tuple[NamedOutput, ...]:
    """Make planes of all outputs the graph's one output; their heads are taken off and named."""
    named, parts = [], []
    for one, tensor in zip(outputs, tensors, strict=True):
        graph.output = tensor
        head = graph.strip_head()
        activation = head or "none"
        named.append(replace(one, activation=activation, in_network=head is not None))
        parts.append(_to_image(graph, graph.output, one))
    if len(parts) > 1:
        graph.add("concat", "outputs", parts, "all outputs")
        parts = ["all outputs"]
    graph.output = parts[0]
    return tuple(named)


def _to_image(graph: GraphBuilder, tensor: str, one: NamedOutput) -> str:
    """The tensor in planes of the image's resolution; see `NamedOutput`."""
    name = f"{one.name} on the image"
    if one.shrink > 1:
        graph.add("upsample_nearest", name, [tensor], name, stride=[one.shrink] * 2)
        return name
    if one.enlarge == 1:
        return tensor
    r, channels = one.enlarge, one.channels
    # Each pixel of a block to planes of its own: kernels of a single 1, which change no value.
    taps = np.zeros((r * r * channels, channels, r, r))
    for i in range(r * r):
        for k in range(channels):
            taps[i * channels + k, k, i // r, i % r] = 1
    graph.add(
        "conv2d", name, [tensor], name, in_channels=channels, out_channels=r * r * channels,
        kernel=[r, r], stride=[r, r], weight=taps,
    )  # fmt: skip
    return name


def as_manifest(outputs: tuple[NamedOutput, ...]) -> list[dict[str, Any]]:
    """As the engine file lists them."""
    return [vars(one) for one in outputs]
