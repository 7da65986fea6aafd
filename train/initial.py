"""Weights to start from: those of a checkpoint, or of an engine file, which anybody has."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pyengine import _core
from pyengine.builder.container import deserialize
from train.checkpoint import load_checkpoint
from train.models import MultiScaleUNet, UNet, UNetConfig

_LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
_OPERATIONS = ("conv2d", "conv_transpose2d", "linear")


def load_initial_weights(
    network: nn.Module, path: Path, system: str, images: Iterable[torch.Tensor]
) -> dict[str, Any]:
    """Fill a network from a trained one of the same shape, or of one scale where it has several.

    Parameters
    ----------
    network : nn.Module
        Changed in place.
    path : Path
        ``best.pt`` of a run, or ``*.pyengine``. Batch norm is folded into the convolutions of an
        engine file; it is set up anew from the statistics of `images`, so that the network answers
        as the engine does and trains on as if batch norm had been there all the time.
    system : str
        What the weights must have been trained for.
    images : iterable of Tensor, each (B, C, H, W)
        Training images as the network gets them.

    Returns
    -------
    dict
        What a run's record says about its start: name and SHA-256 of the file, configuration,
        seed and epochs of the run that it came from.

    Raises
    ------
    FileNotFoundError
        No such file.
    ValueError
        It is neither, belongs to another system, or its layers do not fit the network's.
    """
    if path.suffix == ".pyengine":
        manifest = _load_engine(network, path, system, images)
    else:
        checkpoint = load_checkpoint(path, system)
        manifest = checkpoint.manifest
        shape = checkpoint.network
        one_scale = isinstance(shape, UNetConfig) and shape.scales == 1
        target = _at_one_scale(network) if one_scale else network
        try:
            target.load_state_dict(checkpoint.model.state_dict())
        except RuntimeError as error:
            raise ValueError(f"{path}: does not fit the configured network ({error})") from error
        _take_over(network, target)
    kept = ("configuration", "seed", "epochs", "initial")
    provenance = manifest.get("provenance", {})
    return {
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        **{k: provenance[k] for k in kept if k in provenance},
    }


def _at_one_scale(network: nn.Module) -> nn.Module:
    """What the weights of a single scale fit: `network` itself, or a twin that looks once."""
    return network.single_scale() if isinstance(network, MultiScaleUNet) else network


def _take_over(network: nn.Module, filled: nn.Module) -> None:
    if filled is not network and isinstance(network, MultiScaleUNet) and isinstance(filled, UNet):
        network.start_from(filled)


def _load_engine(
    network: nn.Module, path: Path, system: str, images: Iterable[torch.Tensor]
) -> dict[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such engine file")
    _core.check_engine_file(str(path))
    manifest, graph, tensors = deserialize(path.read_bytes())
    found = manifest.get("provenance", {}).get("system", system)  # only those of train/ say
    if found != system:
        raise ValueError(f"{path}: an engine of {found!r}, expected one of {system!r}")
    nodes = [node for node in json.loads(graph)["nodes"] if node["op"] in _OPERATIONS]
    images = list(images)
    target = _at_one_scale(network)
    if len(nodes) != sum(isinstance(m, _LAYERS) for m in target.modules()):
        target = network
    steps = _in_order_of_use(target, images[0])
    layers = [m for m in steps if isinstance(m, _LAYERS)]
    if len(layers) != len(nodes):
        raise ValueError(f"{path}: {len(nodes)} layers with weights, the network has {len(layers)}")
    norms: dict[nn.BatchNorm2d, nn.Module] = {
        after: before
        for before, after in itertools.pairwise(steps)
        if isinstance(after, nn.BatchNorm2d)
    }
    shifts = {}
    with torch.no_grad():
        for layer, node in zip(layers, nodes, strict=True):
            weight = torch.tensor(tensors[node["weight"]]).float()
            if weight.shape != layer.weight.shape:
                raise ValueError(
                    f"{path}: layer {node['name']} is {tuple(weight.shape)}, the network's is "
                    f"{tuple(layer.weight.shape)}"
                )
            layer.weight.copy_(weight)
            bias = node.get("bias")
            shift = torch.tensor(tensors[bias]).float() if bias else torch.zeros(len(weight))
            shifts[layer] = shift
            if layer.bias is not None:
                layer.bias.copy_(shift)
        for norm, layer in norms.items():
            _pass_through(norm, shifts[layer])
        _unfold(target, list(norms), images)
    _take_over(network, target)
    return manifest


def _in_order_of_use(network: nn.Module, image: torch.Tensor) -> list[nn.Module]:
    steps: list[nn.Module] = []
    wanted = [m for m in network.modules() if isinstance(m, (*_LAYERS, nn.BatchNorm2d))]
    hooks = [m.register_forward_pre_hook(lambda m, _: steps.append(m)) for m in wanted]
    _evaluate(network, [image])
    for hook in hooks:
        hook.remove()
    return steps


def _pass_through(norm: nn.BatchNorm2d, shift: torch.Tensor) -> None:
    """Batch norm that adds `shift` and nothing else, in evaluation mode."""
    norm.running_mean.zero_()  # type: ignore[union-attr]
    norm.running_var.fill_(1)  # type: ignore[union-attr]
    norm.weight.fill_((1 + norm.eps) ** 0.5)
    norm.bias.copy_(shift)


def _unfold(network: nn.Module, norms: list[nn.BatchNorm2d], images: list[torch.Tensor]) -> None:
    """Give batch norm the statistics of its input, and a scale and shift that undo them."""
    sums = {norm: torch.zeros(3, norm.num_features, dtype=torch.float64) for norm in norms}

    def add(norm: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        assert isinstance(norm, nn.BatchNorm2d)
        values = inputs[0].double().transpose(0, 1).flatten(1)
        count = torch.full((norm.num_features,), float(values.shape[1]), dtype=torch.float64)
        sums[norm] += torch.stack([count, values.sum(1), (values**2).sum(1)])

    hooks = [norm.register_forward_pre_hook(add) for norm in norms]
    _evaluate(network, images)
    for hook in hooks:
        hook.remove()
    for norm, (count, total, squares) in sums.items():
        mean = total / count
        variance = (squares / count - mean**2).clamp_min(0)
        norm.running_mean.copy_(mean)  # type: ignore[union-attr]
        norm.running_var.copy_(variance)  # type: ignore[union-attr]
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.add_(mean)


@torch.no_grad()
def _evaluate(network: nn.Module, images: list[torch.Tensor]) -> None:
    training = network.training
    network.eval()
    for image in images:
        network(image)
    network.train(training)
