"""Plots as SVG, pictures as data addresses, and the film of the training's progress."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from PIL import Image, ImageDraw

from train.tasks.task import Line

matplotlib.use("Agg")
from matplotlib import pyplot as plt

_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
plt.rcParams |= {
    "svg.fonttype": "none",
    "svg.hashsalt": "pyengine",
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
}


def _svg(figure: Any) -> str:
    text = io.StringIO()
    figure.savefig(text, format="svg", bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)
    svg = text.getvalue()
    return svg[svg.index("<svg") :]


def roc_plot(lines: Sequence[Line]) -> str:
    """ROC curve of each class with the second observer's point, as SVG."""
    figure, axes = plt.subplots(figsize=(4.6, 4))
    for line, color in zip(lines, _colors(len(lines)), strict=True):
        curves, label = line.curves, f"{line.title}, area {line.roc_auc:.4f}"
        axes.plot(curves["fpr"], curves["tpr"], color=color, lw=2, label=label)
    axes.plot([0, 1], [0, 1], color="#888888", lw=1, ls=":", label="chance")
    for line in lines:
        if line.second:
            x, y = 1 - line.second["specificity"], line.second["sensitivity"]
            axes.plot(x, y, "o", color=_COLORS[1], label="second observer")
    axes.set(
        xlabel="1 - specificity", ylabel="sensitivity", title="ROC", xlim=(-0.01, 1), ylim=(0, 1.01)
    )
    axes.legend(loc="lower right", frameon=False, fontsize=_legend_size(len(lines)))
    return _svg(figure)


def pr_plot(lines: Sequence[Line]) -> str:
    """Precision-recall curve of each class with the second observer's point, as SVG."""
    figure, axes = plt.subplots(figsize=(4.6, 4))
    for line, color in zip(lines, _colors(len(lines)), strict=True):
        curves, label = line.curves, f"{line.title}, area {line.pr_auc:.4f}"
        axes.plot(curves["recall"], curves["precision"], color=color, lw=2, label=label)
    for line in lines:
        if line.second:
            x, y = line.second["sensitivity"], line.second["precision"]
            axes.plot(x, y, "o", color=_COLORS[1], label="second observer")
    axes.set(xlabel="recall (sensitivity)", ylabel="precision", title="Precision and recall",
             xlim=(0, 1.01), ylim=(0, 1.01))  # fmt: skip
    axes.legend(loc="lower left", frameon=False, fontsize=_legend_size(len(lines)))
    return _svg(figure)


def _colors(count: int) -> list[Any]:
    """As many colours as lines; beyond four those of an even map."""
    return list(
        _COLORS[:count] if count <= len(_COLORS) else plt.cm.viridis(np.linspace(0, 0.95, count))
    )


def _legend_size(lines: int) -> int:
    return 11 if lines <= len(_COLORS) else 8


def confusion_plot(table: Sequence[Sequence[float]], names: Sequence[str]) -> str:
    """Confusion matrix with counts, shaded by the share of each reference class, as SVG."""
    counts = np.array(table, float)
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    # Cells stay large enough for their numbers.
    side = max(1.0, len(names) / 4)
    figure, axes = plt.subplots(figsize=(4.6 * side, 4 * side))
    axes.grid(False)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, col), value in np.ndenumerate(counts):
        text = f"{value:,.0f}\n{share[row, col]:.1%}"
        axes.text(col, row, text, ha="center", va="center", fontsize=10,
                  color="white" if share[row, col] > 0.6 else "black")  # fmt: skip
    axes.set(xlabel="answer", ylabel="reference", title="Confusion matrix",
             xticks=range(len(names)), yticks=range(len(names)))  # fmt: skip
    few = len(names) <= 4
    axes.set_xticklabels(names, rotation=0 if few else 30, ha="center" if few else "right")
    axes.set_yticklabels(names, rotation=90 if few else 0, va="center")
    return _svg(figure)


def training_plot(history: dict[str, list[tuple[int, float]]], monitor: str, best: int) -> str:
    """Loss and monitored score over epochs, the chosen epoch marked, as SVG."""
    figure, axes = plt.subplots(figsize=(9.6, 3.4))
    axes.plot(*zip(*history["loss"], strict=True), color=_COLORS[0], lw=2, label="training loss")
    axes.set(xlabel="epoch", ylabel="loss", title="Training")
    axes.set_ylim(bottom=0)
    other = axes.twinx()
    other.spines["right"].set_visible(True)
    other.grid(False)
    if history.get(monitor):
        other.plot(
            *zip(*history[monitor], strict=True), color=_COLORS[1], lw=2, marker=".", label=monitor
        )
    other.set_ylabel(f"validation {monitor}")
    axes.axvline(best, color="#888888", ls=":", lw=1.5, label=f"kept: epoch {best}")
    lines = axes.get_lines() + other.get_lines()
    axes.legend(lines, [str(line.get_label()) for line in lines], frameon=False, loc="center right")
    return _svg(figure)


def data_address(image: np.ndarray, quality: int = 88) -> str:
    """An RGB or grey uint8 image as a ``data:`` address (JPEG)."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def progress_gif(
    image: np.ndarray,
    reference: np.ndarray,
    frames: list[tuple[int, np.ndarray]],
    height: int = 240,
) -> str:
    """Film: image, reference and the network's answer, epoch after epoch.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W, 3)
    reference : ndarray of uint8, shape (H, W)
    frames : list of (epoch, ndarray of uint8 (H, W))
        Answers, in the grey values of the reference.
    height : int
        Of the film in pixels.

    Returns
    -------
    str
        A ``data:`` address of a GIF.
    """
    width = max(1, round(image.shape[1] * height / image.shape[0]))

    def small(array: np.ndarray) -> Image.Image:
        return (
            Image.fromarray(array).convert("L").resize((width, height), Image.Resampling.BILINEAR)
        )

    pictures = []
    for epoch, answer in frames:
        sheet = Image.new("L", (3 * width + 8, height + 18), 255)
        for place, array in enumerate((image, reference, answer)):
            sheet.paste(small(array), (place * (width + 4), 18))
        draw = ImageDraw.Draw(sheet)
        for place, text in enumerate(("image", "reference", f"epoch {epoch}")):
            draw.text((place * (width + 4) + 2, 2), text, fill=0)
        pictures.append(sheet)
    buffer = io.BytesIO()
    duration = [250] * (len(pictures) - 1) + [2500]
    pictures[0].save(
        buffer, "GIF", save_all=True, append_images=pictures[1:], duration=duration, loop=0
    )
    return "data:image/gif;base64," + base64.b64encode(buffer.getvalue()).decode()
