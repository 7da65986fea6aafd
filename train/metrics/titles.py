"""What scores are called: in full in reports and cards, in short in the table of results."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Title:
    """The two names of a score."""

    full: str
    short: str


# In the order of the report's table.
TITLES = {
    "dice": Title("Dice (F1), all pixels", "Dice (F1)"),
    "dice_per_image": Title("Dice, mean over images", "Dice per image"),
    "f1": Title("F1, mean over classes", "F1"),
    "accuracy": Title("Accuracy", "accuracy"),
    "sensitivity": Title("Sensitivity", "sensitivity"),
    "specificity": Title("Specificity", "specificity"),
    "precision": Title("Precision", "precision"),
    "iou": Title("Intersection over union", "IoU"),
    "roc_auc": Title("ROC area", "ROC area"),
    "pr_auc": Title("Precision-recall area", "PR area"),
    "brier": Title("Brier score (less is better)", "Brier score"),
    "v_rand": Title("V-Rand, after thinning", "V-Rand"),
    "v_info": Title("V-Info, after thinning", "V-Info"),
}
