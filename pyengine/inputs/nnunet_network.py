"""The network of an nnU-Net results folder, as one module."""

from __future__ import annotations

from typing import Any

from pyengine.inputs.nnunet_folder import BATCH_NORM_TRAINER, ResultsFolder
from pyengine.inputs.torch_file import fit_weights

_NETWORKS = ("PlainConvUNet", "ResidualEncoderUNet")
# What plans may name, which PyTorch's own names lead to; nothing else is looked up.
_PARTS = {
    f"torch.nn.{place}{name}"
    for place, names in {
        "": ("LeakyReLU", "ReLU", "Dropout2d", "Dropout3d"),
        "modules.conv.": ("Conv2d", "Conv3d"),
        "modules.instancenorm.": ("InstanceNorm2d", "InstanceNorm3d"),
        "modules.batchnorm.": ("BatchNorm2d", "BatchNorm3d"),
        "modules.activation.": ("LeakyReLU", "ReLU"),
        "modules.dropout.": ("Dropout2d", "Dropout3d"),
    }.items()
    for name in names
}


def network_of(folder: ResultsFolder) -> Any:
    """The network with its highest-resolution head alone, as at nnU-Net's inference.

    Of several folds it is one graph: a branch for each, which share the input, and the mean of
    their logits.
    """
    members = []
    for file, weights in zip(folder.files, folder.weights, strict=True):
        module = untrained_network(folder)
        fit_weights(module, {"network_weights": weights}, file)
        members.append(module)
    return members[0] if len(members) == 1 else _mean_of(members)


def _mean_of(members: list[Any]) -> Any:
    import torch

    class MeanOfFolds(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.folds = torch.nn.ModuleList(members)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            total = self.folds[0](image)
            for fold in self.folds[1:]:
                total = total + fold(image)
            return total * (1 / len(self.folds))

    return MeanOfFolds()


def untrained_network(folder: ResultsFolder) -> Any:
    """The module that the plans describe, with random weights."""
    from dynamic_network_architectures.architectures import unet
    from torch import nn

    name, arguments, imported = _architecture(folder)
    if name not in _NETWORKS:
        raise ValueError(f"{folder.path}: the network is a {name}; {', '.join(_NETWORKS)} are read")
    for key in imported:
        part = arguments.get(key)
        if part is None:
            continue
        if part not in _PARTS:
            raise ValueError(f"{folder.path}: {key} is {part!r}, which is none of nnU-Net's own")
        arguments[key] = getattr(nn, part.rpartition(".")[2])
    if folder.trainer == BATCH_NORM_TRAINER:
        arguments["norm_op"] = getattr(nn, f"BatchNorm{len(folder.patch)}d")
        arguments["norm_op_kwargs"] = {"eps": 1e-5, "affine": True}
    arguments["deep_supervision"] = False
    return getattr(unet, name)(
        input_channels=len(folder.channel_names), num_classes=folder.outputs, **arguments
    )


def _architecture(folder: ResultsFolder) -> tuple[str, dict[str, Any], list[str]]:
    """Name and keywords of the network's class, and which of the keywords are names of classes."""
    plans = folder.configuration
    if "architecture" in plans:
        stored = plans["architecture"]
        name = str(stored["network_class_name"]).rpartition(".")[2]
        return name, dict(stored["arch_kwargs"]), list(stored.get("_kw_requires_import", ()))
    if "UNet_class_name" not in plans:
        raise ValueError(f"{folder.path}: the plans name no architecture")
    # Plans of nnU-Net before 2.4 have numbers alone.
    name, dimensions = str(plans["UNet_class_name"]), len(folder.patch)
    stages = len(plans["n_conv_per_stage_encoder"])
    widths = [
        min(plans["UNet_base_num_features"] * 2**i, plans["unet_max_num_features"])
        for i in range(stages)
    ]
    blocks = "n_blocks_per_stage" if name == "ResidualEncoderUNet" else "n_conv_per_stage"
    return name, {
        "n_stages": stages, "features_per_stage": widths,
        "conv_op": f"torch.nn.modules.conv.Conv{dimensions}d",
        "kernel_sizes": plans["conv_kernel_sizes"], "strides": plans["pool_op_kernel_sizes"],
        blocks: plans["n_conv_per_stage_encoder"],
        "n_conv_per_stage_decoder": plans["n_conv_per_stage_decoder"], "conv_bias": True,
        "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{dimensions}d",
        "norm_op_kwargs": {"eps": 1e-5, "affine": True}, "dropout_op": None,
        "dropout_op_kwargs": None, "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    }, ["conv_op", "norm_op", "dropout_op", "nonlin"]  # fmt: skip
