"""What nnU-Net does before and after its network, as data of the manifest.

Pictures have no spacing, and the core's own steps do what most of their plans say. Of volumes, and
of plans that no step of the core follows, a `Recipe` tells.
"""

from __future__ import annotations

from typing import Any

from pyengine.inputs.nnunet_folder import ResultsFolder
from pyengine.volumes.recipe import FIELD, ChannelNormalisation, Recipe, Resampling

_LEAST_DEVIATION = 1e-8  # nnU-Net divides by no less
_RESAMPLING = "resample_data_or_seg_to_shape"
_SCHEMES = {
    "CTNormalization": "ct",
    "ZScoreNormalization": "zscore",
    "RescaleTo01Normalization": "rescale_to_0_1",
    "Rescale0_1Normalization": "rescale_to_0_1",
    "RGBTo01Normalization": "rgb_to_0_1",
    "NoNormalization": "none",
}


def manifest_of(folder: ResultsFolder) -> dict[str, Any]:
    """Fields of the manifest that the folder's files give."""
    schemes = _normalisation(folder)
    steps = _steps_of_pictures(folder, schemes) if folder.takes_pictures else None
    axes = "zyx"[-len(folder.patch) :]
    manifest: dict[str, Any] = {
        "task": "segmentation",
        "input": {"dtype": "float32", "preprocessing": steps or []},
        "head": {"activation": "softmax" if folder.regions is None else "sigmoid"},
        "class_names": folder.class_names,
        "prediction": {
            "window_px": folder.patch,
            "mirror_axes": [axes[axis] for axis in folder.mirror_axes],
        },
        "provenance": {
            "nnunet": {
                "plans": folder.plans.get("plans_name"),
                "dataset": folder.plans.get("dataset_name"),
                "configuration": folder.configuration_name,
                "trainer": folder.trainer,
                "folds": folder.folds,
                "spacing": folder.configuration["spacing"],
                "channel_names": folder.channel_names,
                "labels": folder.dataset["labels"],
            }
        },
    }
    if steps is None:
        manifest[FIELD] = _recipe(folder, schemes).as_manifest()
        return manifest
    if folder.regions is not None and folder.label_values != list(range(1, folder.outputs + 1)):
        raise ValueError(
            f"{folder.path}: regions_class_order {folder.label_values} does not number the regions "
            f"in their order, 1 to {folder.outputs}, as labels of an engine for pictures do"
        )
    manifest["provenance"]["nnunet"]["note"] = (
        "as nnU-Net predicts: mode='nnunet', tta='mirror'; pictures without borders of zeros, which "
        "nnU-Net cuts off"
    )
    return manifest


def _normalisation(folder: ResultsFolder) -> tuple[ChannelNormalisation, ...]:
    schemes = folder.configuration["normalization_schemes"]
    masks = folder.configuration.get("use_mask_for_norm") or [False] * len(schemes)
    if not len(schemes) == len(masks) == len(folder.channel_names):
        raise ValueError(
            f"{folder.path}: {len(schemes)} normalisation(s) and {len(masks)} mask(s) for the "
            f"channels {', '.join(folder.channel_names)}"
        )
    stored = folder.plans.get("foreground_intensity_properties_per_channel") or folder.plans.get(
        "foreground_intensity_properties_by_modality", {}
    )
    found = []
    for index, (scheme, mask) in enumerate(zip(schemes, masks, strict=True)):
        if scheme not in _SCHEMES:
            raise ValueError(f"{folder.path}: normalisation {scheme} is none of nnU-Net's own")
        name = _SCHEMES[scheme]
        if name != "ct":
            found.append(ChannelNormalisation(name, within_mask=bool(mask) and name == "zscore"))
            continue
        if str(index) not in stored:
            raise ValueError(f"{folder.path}: the plans hold no intensities of channel {index}")
        seen = stored[str(index)]
        found.append(
            ChannelNormalisation(
                name, low=float(seen["percentile_00_5"]), high=float(seen["percentile_99_5"]),
                mean=float(seen["mean"]), std=float(seen["std"]),
            )
        )  # fmt: skip
    return tuple(found)


def _recipe(folder: ResultsFolder, schemes: tuple[ChannelNormalisation, ...]) -> Recipe:
    first, second, third = (int(axis) for axis in folder.plans["transpose_forward"])
    return Recipe(
        transpose=(first, second, third),
        normalisation=schemes,
        spacing_mm=tuple(float(step) for step in folder.configuration["spacing"]),
        image=_resampling(folder, "data"),
        scores=_resampling(folder, "probabilities"),
        regions=folder.regions is not None,
        labels=tuple(folder.label_values),
        pictures=folder.takes_pictures,
    )


def _resampling(folder: ResultsFolder, what: str) -> Resampling:
    function = folder.configuration.get(f"resampling_fn_{what}")
    given = dict(folder.configuration.get(f"resampling_fn_{what}_kwargs") or {})
    if function != _RESAMPLING:
        raise ValueError(
            f"{folder.path}: {what} are resampled by {function}; {_RESAMPLING} is known"
        )
    order, between = int(given.get("order", 3)), int(given.get("order_z", 0))
    if between != 0 or given.get("is_seg") or (what == "probabilities" and order > 1):
        raise ValueError(
            f"{folder.path}: {what} are resampled with {given}; known are order_z 0, and order 0 or "
            "1 for probabilities"
        )
    # Who leaves it out gets nnU-Net's own default, which is not that of its plans.
    separate = given.get("force_separate_z", False)
    return Resampling(order, separate, float(given.get("separate_z_anisotropy_threshold", 3)))


def _steps_of_pictures(
    folder: ResultsFolder, schemes: tuple[ChannelNormalisation, ...]
) -> list[dict[str, Any]] | None:
    """The core's steps that do the same; None where there are none."""
    names = {how.name for how in schemes}
    if len(names) > 1 or any(how.within_mask for how in schemes):
        return None
    (name,) = names
    if name == "zscore":
        each = {"axes": ["y", "x"], "eps": _LEAST_DEVIATION}
        return [{"name": "zero_mean_unit_variance", **each}]
    if name == "rescale_to_0_1":
        return [{"name": "scale_range", "axes": ["y", "x"], "eps": _LEAST_DEVIATION,
                 "min_percentile": 0.0, "max_percentile": 100.0}]  # fmt: skip
    if name == "rgb_to_0_1":
        return [{"name": "scale_linear", "gain": [1 / 255], "offset": [0.0]}]
    if name == "none":
        return []
    return [
        {"name": "clip", "min": [how.low for how in schemes], "max": [how.high for how in schemes]},
        {
            "name": "fixed_zero_mean_unit_variance",
            "mean": [how.mean for how in schemes],
            "std": [max(how.std, _LEAST_DEVIATION) for how in schemes],
        },
    ]
