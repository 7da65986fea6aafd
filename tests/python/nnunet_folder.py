"""A small results folder of nnU-Net with random weights, as its training writes one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

LABELS = {"background": 0, "one": 1, "two": 2}
REGIONS = {"background": 0, "whole": [1, 2], "core": [2]}


def network_arguments(name: str, axes: int = 2) -> dict[str, Any]:
    """Of a network over so many axes; in three, the first stages leave z alone, as plans may."""
    blocks = "n_blocks_per_stage" if name == "ResidualEncoderUNet" else "n_conv_per_stage"
    kernels, strides = [[3] * axes] * 3, [[1] * axes, [2] * axes, [2] * axes]
    if axes == 3:
        kernels, strides = [[1, 3, 3], [3, 3, 3], [3, 3, 3]], [[1, 1, 1], [1, 2, 2], [2, 2, 2]]
    return {
        "n_stages": 3, "features_per_stage": [8, 16, 24],
        "conv_op": f"torch.nn.modules.conv.Conv{axes}d", "kernel_sizes": kernels,
        "strides": strides, blocks: [1, 1, 1],
        "n_conv_per_stage_decoder": [1, 1], "conv_bias": True,
        "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{axes}d",
        "norm_op_kwargs": {"eps": 1e-5, "affine": True}, "dropout_op": None,
        "dropout_op_kwargs": None, "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    }  # fmt: skip


def write_results_folder(
    folder: Path,
    *,
    network: str = "PlainConvUNet",
    schemes: tuple[str, ...] = ("ZScoreNormalization",),
    labels: dict[str, Any] = LABELS,
    patch: tuple[int, ...] = (32, 40),
    trainer: str = "nnUNetTrainer",
    mirror: tuple[int, ...] | None = (0, 1),
    folds: tuple[int | str, ...] = (0,),
    reader: str = "NaturalImage2DIO",
    transpose: tuple[int, int, int] = (0, 1, 2),
    regions_class_order: list[int] | None = None,
    **changes: Any,
) -> Path:
    """Write plans, dataset and folds; `changes` are of the configuration."""
    from dynamic_network_architectures.architectures import unet

    resampling = {
        "resampling_fn_data": "resample_data_or_seg_to_shape",
        "resampling_fn_seg": "resample_data_or_seg_to_shape",
        "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
    }
    orders = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}
    kwargs = {
        "resampling_fn_data_kwargs": orders,
        "resampling_fn_probabilities_kwargs": {**orders, "order": 1},
        "resampling_fn_seg_kwargs": {**orders, "is_seg": True, "order": 1},
    }  # fmt: skip
    arguments = network_arguments(network, len(patch))
    name = "2d" if len(patch) == 2 else "3d_fullres"
    configuration = {
        "data_identifier": f"nnUNetPlans_{name}", "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2, "patch_size": list(patch), "median_image_size_in_voxels": [90.0, 100.0],
        "spacing": [1.0] * len(patch), "normalization_schemes": list(schemes),
        "use_mask_for_norm": [False] * len(schemes), "batch_dice": True, **resampling, **kwargs,
        "architecture": {
            "network_class_name": f"dynamic_network_architectures.architectures.unet.{network}",
            "arch_kwargs": arguments,
            "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
        },
    }  # fmt: skip
    properties = {
        "mean": 90.0, "std": 60.0, "median": 80.0, "min": 0.0, "max": 255.0,
        "percentile_00_5": 12.5, "percentile_99_5": 231.25,
    }  # fmt: skip
    plans = {
        "dataset_name": "Dataset900_Small", "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": [999.0, 1.0, 1.0],
        "original_median_shape_after_transp": [1, 90, 100],
        "image_reader_writer": reader, "transpose_forward": list(transpose),
        "transpose_backward": [int(axis) for axis in np.argsort(transpose)],
        "configurations": {name: configuration | changes},
        "experiment_planner_used": "ExperimentPlanner", "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {
            str(i): properties for i in range(len(schemes))
        },
    }  # fmt: skip
    dataset = {
        "channel_names": {str(i): f"channel {i}" for i in range(len(schemes))}, "labels": labels,
        "numTraining": 4, "name": "Small",
        "file_ending": ".png" if reader == "NaturalImage2DIO" else ".nii.gz",
    }  # fmt: skip
    outputs = len([label for label in labels if label != "ignore"])
    if any(isinstance(value, list) for value in labels.values()):
        outputs -= 1
        dataset["regions_class_order"] = regions_class_order or list(range(1, outputs + 1))
    folder.mkdir(parents=True)
    (folder / "plans.json").write_text(json.dumps(plans))
    (folder / "dataset.json").write_text(json.dumps(dataset))
    made = {
        "conv_op": getattr(torch.nn, f"Conv{len(patch)}d"),
        "norm_op": getattr(torch.nn, f"InstanceNorm{len(patch)}d"), "dropout_op": None,
        "nonlin": torch.nn.LeakyReLU,
    }  # fmt: skip
    for number, fold in enumerate(folds):
        torch.manual_seed(3 + number)
        module = getattr(unet, network)(
            input_channels=len(schemes), num_classes=outputs, deep_supervision=True,
            **{**arguments, **made},
        )  # fmt: skip
        checkpoint = {
            "network_weights": module.state_dict(), "optimizer_state": {"lr": np.float64(0.01)},
            "trainer_name": trainer, "init_args": {"configuration": name, "fold": fold},
            "inference_allowed_mirroring_axes": mirror, "_best_ema": np.float64(0.5),
        }  # fmt: skip
        (folder / f"fold_{fold}").mkdir()
        torch.save(checkpoint, folder / f"fold_{fold}" / "checkpoint_final.pth")
    return folder
