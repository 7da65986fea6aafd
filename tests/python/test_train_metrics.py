"""Scores on cases worked by hand, and against scikit-learn where it has them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn import metrics as sklearn

from train.losses import border_weights, segmentation_loss
from train.metrics import classes, pixels
from train.metrics.bootstrap import bootstrap
from train.metrics.membranes import best_v_rand, v_info, v_rand
from train.settings import LossConfig


def membrane_map(cells: np.ndarray) -> np.ndarray:
    return (cells == 0).astype(np.float32)


def test_v_rand_by_hand() -> None:
    truth = np.ones((5, 11), bool)
    truth[:, 5] = False  # two cells of 25 pixels
    perfect = membrane_map(truth.astype(int))
    assert v_rand(perfect, truth, 0.5) == pytest.approx(1)
    # Merged: s = {1}, t = {1/2, 1/2}, p = {1/2, 1/2}: 0.5 / (0.5 * 1 + 0.5 * 0.5).
    assert v_rand(np.zeros((5, 11)), truth, 0.5) == pytest.approx(0.5 / 0.75)
    # Split: one cell of 50 pixels (no membrane in the truth), cut by a line of one pixel in the
    # proposal: 25 + 25 pixels and 5 on the line that count one by one.
    whole = np.ones((5, 11), bool)
    joint = 2 * (25 / 55) ** 2 + 5 / 55**2
    assert v_rand(perfect, whole, 0.5) == pytest.approx(joint / (0.5 * joint + 0.5))
    # A thick membrane is thinned before scoring.
    thick = perfect.copy()
    thick[:, 4:7] = 1
    assert v_rand(thick, truth, 0.5) == pytest.approx(1, abs=0.02)


def test_v_info_by_hand() -> None:
    """I / (mean entropy): two halves merged give I = 0; a crossed partition gives I = 0 as well."""
    truth = np.ones((5, 11), bool)
    truth[:, 5] = False
    perfect = membrane_map(truth.astype(int))
    assert v_info(perfect, truth, 0.5) == pytest.approx(1)
    assert v_info(np.zeros((5, 11)), truth, 0.5) == pytest.approx(0)
    # One true cell cut in two halves and a line of 5 single pixels: H(T) = 0, so I = 0.
    assert v_info(perfect, np.ones((5, 11), bool), 0.5) == pytest.approx(0)
    # Three true cells of 10 pixels, two of them merged (the membrane pixels between do not count):
    # H(T) = ln 3, H(S) = H(1/3), I = H(S).
    truth = np.ones((2, 17), bool)
    truth[:, [5, 11]] = False
    found = membrane_map(truth.astype(int))
    found[:, 5] = 0
    h_s = -(np.log(1 / 3) / 3 + 2 * np.log(2 / 3) / 3)
    assert v_info(found, truth, 0.5) == pytest.approx(h_s / (0.5 * h_s + 0.5 * np.log(3)))


def test_best_v_rand_finds_the_threshold() -> None:
    """Weak membranes at 0.3: only thresholds at or below part the cells."""
    truth = np.ones((30, 30), bool)
    truth[:, 14] = truth[9] = False
    probability = np.where(truth, 0.1, 0.3)
    score, threshold = best_v_rand(probability[None], truth[None])
    assert score == pytest.approx(1)
    assert 0.1 < threshold <= 0.3


def test_pixel_scores_by_hand() -> None:
    """TP 3, FP 1, FN 2, TN 4."""
    reference = np.array([[1, 1, 1, 1, 1, 0, 0, 0, 0, 0]], bool)
    probability = np.array([[0.9, 0.8, 0.7, 0.2, 0.1, 0.6, 0.3, 0.2, 0.1, 0.0]])
    counted = pixels.count(probability, reference)
    scores = pixels.pooled([counted])
    assert scores["accuracy"] == pytest.approx(0.7)
    assert scores["sensitivity"] == pytest.approx(3 / 5)
    assert scores["specificity"] == pytest.approx(4 / 5)
    assert scores["precision"] == pytest.approx(3 / 4)
    assert scores["dice"] == scores["dice_per_image"] == pytest.approx(6 / 9)
    assert scores["iou"] == pytest.approx(3 / 6)
    assert scores["brier"] == pytest.approx(((probability - reference) ** 2).mean())
    assert pixels.confusion([counted]) == [[4, 1], [2, 3]]


def test_regions_and_empty_masks() -> None:
    nothing = np.zeros((4, 4), bool)
    assert pixels.count(np.zeros((4, 4)), nothing).dice == 1  # rightly nothing
    assert pixels.count(np.ones((4, 4)), nothing).dice == 0
    scores = pixels.pooled([pixels.count(np.zeros((4, 4)), nothing)])
    assert np.isnan(scores["sensitivity"])
    assert np.isnan(scores["roc_auc"])
    assert scores["specificity"] == 1
    region = np.eye(4, dtype=bool)
    inside = pixels.count(np.eye(4), region, region)
    assert (inside.true_positive, inside.true_negative) == (4, 0)


def test_areas_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    images = []
    for _ in range(3):
        reference = rng.uniform(size=(40, 50)) < 0.2
        probability = np.clip(0.3 * reference + rng.uniform(0, 0.7, reference.shape), 0, 1)
        images.append((probability, reference))
    scores = pixels.pooled([pixels.count(p, r) for p, r in images])
    y = np.concatenate([r.ravel() for _, r in images])
    s = np.concatenate([p.ravel() for p, _ in images])
    assert scores["roc_auc"] == pytest.approx(sklearn.roc_auc_score(y, s), abs=1e-4)
    precision, recall, _ = sklearn.precision_recall_curve(y, s)
    assert scores["pr_auc"] == pytest.approx(sklearn.auc(recall, precision), abs=2e-3)
    assert scores["brier"] == pytest.approx(sklearn.brier_score_loss(y, s))


def test_bootstrap_covers_the_truth() -> None:
    """Of 200 samples of 30 numbers, about 95 % of the intervals hold the mean they came from."""
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(200):
        values = rng.normal(3, 1, 30)
        low, high = bootstrap(
            lambda chosen, v=values: {"m": float(v[chosen].mean())}, 30, draws=200
        )["m"]
        hits += low <= 3 <= high
    assert 175 <= hits <= 199
    assert bootstrap(lambda chosen: {"m": 1.0}, 1) == {}


def test_class_scores_by_hand() -> None:
    reference = np.array([0, 0, 1, 1, 2])
    probability = np.eye(4)[[0, 1, 1, 1, 2]] * 0.7 + 0.075
    scores = classes.scores(reference, probability)
    assert scores["accuracy"] == pytest.approx(4 / 5)
    assert scores["sensitivity"] == pytest.approx((1 / 2 + 1 + 1) / 3)
    assert scores["specificity"] == pytest.approx((1 + 2 / 3 + 1) / 3)
    assert scores["precision"] == pytest.approx((1 + 2 / 3 + 1) / 3)
    assert scores["f1"] == pytest.approx((2 / 3 + 4 / 5 + 1) / 3)
    right, wrong = 0.225**2 + 3 * 0.075**2, 0.925**2 + 0.775**2 + 2 * 0.075**2
    assert scores["brier"] == pytest.approx((4 * right + wrong) / 5)
    assert classes.confusion(reference, probability)[0].tolist() == [1, 1, 0, 0]


def test_border_weights_peak_between_cells() -> None:
    interior = np.ones((20, 21), bool)
    interior[:, 10] = False
    weights = border_weights(interior, w0=10, sigma_px=5)
    assert (weights[interior] == 1).all()
    np.testing.assert_allclose(weights[:, 10], 1 + 10 * np.exp(-((1 + 1) ** 2) / 50))
    assert (border_weights(interior, 0, 5) == 1).all()


def test_losses_by_hand() -> None:
    logits = torch.tensor([[[[0.0, 2.0]], [[0.0, -1.0]]]])  # (1, 2, 1, 2)
    label = torch.tensor([[[0, 1]]])
    weight = torch.tensor([[[1.0, 3.0]]])
    first, second = np.log(2), np.log(1 + np.exp(3.0))

    def loss(**options: object) -> float:
        config = LossConfig(**options)
        x = logits if options["name"] not in ("bce", "mse") else logits[:, 1:]
        return float(segmentation_loss(x, label, weight, config))

    assert loss(name="cross_entropy") == pytest.approx((first + 3 * second) / 4)
    weighted = loss(name="cross_entropy", class_weights=(1.0, 2.0))
    assert weighted == pytest.approx((first + 6 * second) / 4)
    assert loss(name="bce") == pytest.approx((first + 3 * np.log(1 + np.exp(1.0))) / 4)
    assert loss(name="mse") == pytest.approx((0 + 3 * 4.0) / 4)
    # Soft Dice of the foreground: p = (0.5, sigmoid(-3)), against (0, 1).
    p = np.array([0.5, 1 / (1 + np.exp(3.0))])
    dice = 1 - (2 * p[1] + 1e-5) / (p.sum() + 1 + 1e-5)
    assert loss(name="dice") == pytest.approx(dice, abs=1e-5)
    assert loss(name="cross_entropy+dice") == pytest.approx(
        (first + 3 * second) / 4 + dice, abs=1e-5
    )
    with pytest.raises(ValueError, match="bce needs a network of one output, got 2"):
        segmentation_loss(logits, label, weight, LossConfig("bce"))
    with pytest.raises(ValueError, match="3 numbers, 2 classes"):
        segmentation_loss(logits, label, weight, LossConfig(class_weights=(1.0, 1.0, 1.0)))
