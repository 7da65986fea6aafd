"""ImageNet weights for the classifiers' bases, from a local file; nothing is downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from torch import nn

from train.models.classifiers import Classifier


def load_imagenet_weights(model: nn.Module, path: Path) -> None:
    """Fill the base of MobileNet or VGG16; the head keeps its random weights.

    Grey images: the first convolution's weights are summed over their three colour channels,
    which is the answer to the grey image in each of them.

    Parameters
    ----------
    model : Classifier
        Of architecture "mobilenet" or "vgg16". Changed in place.
    path : Path
        ``.h5``: weights in Keras' order (``keras.applications``, MobileNet with alpha 1 or VGG16,
        with or without top). ``.pth``, ``.pt``: a PyTorch state dict in torchvision's order
        (``vgg16`` or ``vgg16_bn``; torchvision has no MobileNet of the first version).

    Raises
    ------
    FileNotFoundError
        No such file.
    ValueError
        The file cannot be read, or its layers do not fit the network's.
    """
    if not isinstance(model, Classifier):
        raise ValueError("ImageNet weights are for the classifiers")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file of weights")
    tensors = _keras(path) if path.suffix in (".h5", ".hdf5") else _torch(path)
    layers = [m for m in model.base.modules() if isinstance(m, (nn.Conv2d, nn.BatchNorm2d))]
    targets = [t for layer in layers for t in _tensors_of(layer)]
    if len(tensors) < len(targets):
        raise ValueError(
            f"{path}: holds {len(tensors)} arrays, the base of {model.config.architecture} has "
            f"{len(targets)}"
        )
    with torch.no_grad():
        for number, (target, value) in enumerate(zip(targets, tensors, strict=False)):
            if number == 0 and value.ndim == 4 and target.shape[1] == 1 and value.shape[1] == 3:
                value = value.sum(1, keepdim=True)
            if target.shape != value.shape:
                raise ValueError(
                    f"{path}: array {number} is {tuple(value.shape)}, the network's is "
                    f"{tuple(target.shape)}"
                )
            target.copy_(value)


def _tensors_of(layer: nn.Module) -> list[torch.Tensor]:
    if isinstance(layer, nn.BatchNorm2d):
        assert layer.running_mean is not None
        assert layer.running_var is not None
        return [layer.weight, layer.bias, layer.running_mean, layer.running_var]
    assert isinstance(layer, nn.Conv2d)
    return [layer.weight] if layer.bias is None else [layer.weight, layer.bias]


def _torch(path: Path) -> list[torch.Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        return [v.float() for k, v in state.items() if not k.endswith("num_batches_tracked")]
    except Exception as error:
        raise ValueError(f"{path}: not a PyTorch state dict ({error})") from error


def _keras(path: Path) -> list[torch.Tensor]:
    """Arrays layer by layer; Keras keeps convolutions as (height, width, in, out)."""
    found: list[torch.Tensor] = []
    try:
        with h5py.File(path) as file:
            root: Any = file.get("model_weights", file)
            for layer in root.attrs["layer_names"]:
                group = root[layer]
                for name in group.attrs["weight_names"]:
                    array = np.asarray(group[name], np.float32)
                    depthwise = b"depthwise" in _bytes(name)
                    if array.ndim == 4:
                        # Depthwise kernels are (height, width, channels, 1).
                        array = array.transpose((2, 3, 0, 1) if depthwise else (3, 2, 0, 1))
                    found.append(torch.from_numpy(array.copy()))
    except (OSError, KeyError) as error:
        raise ValueError(f"{path}: not Keras weights in HDF5 ({error})") from error
    return found


def _bytes(name: str | bytes) -> bytes:
    return name if isinstance(name, bytes) else name.encode()
