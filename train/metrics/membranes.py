"""Scores of cells cut out by membranes: the ISBI 2012 foreground-restricted Rand and information."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage.segmentation import watershed


def v_rand(membrane_probability: np.ndarray, interior_truth: np.ndarray, threshold: float) -> float:
    """Foreground-restricted V-Rand of the cells cut out by a membrane map, after thinning.

    Arganda-Carreras et al. 2015, "Foreground-restricted Rand scoring": with p_ij the joint
    distribution of segments i (proposed) and j (true) over the pixels that the truth calls
    interior, V = sum p_ij^2 / (0.5 sum_i s_i^2 + 0.5 sum_j t_j^2). Pixels of the truth's
    interior that the proposal calls membrane count each as a segment of its own. As in the
    challenge's score ("after thinning"), the proposed membranes are first thinned, which changes
    no cell's topology but takes the membranes' width out of the score: the cells grow by watershed
    on the probability until a line of one pixel parts them. (Skeletons are no substitute: they
    retract from the image's border and join the cells there.)

    Parameters
    ----------
    membrane_probability : ndarray of float, shape (H, W)
        Probability of the membrane, in [0, 1].
    interior_truth : ndarray of bool, shape (H, W)
        True where the annotator saw no membrane.
    threshold : float
        Pixels with a probability below it are interior.

    Returns
    -------
    float
        In (0, 1]; 1 means the same cells.
    """
    joint, segments, truths = _shares(membrane_probability, interior_truth, threshold)
    return float((joint**2).sum() / (0.5 * (segments**2).sum() + 0.5 * (truths**2).sum()))


def v_info(membrane_probability: np.ndarray, interior_truth: np.ndarray, threshold: float) -> float:
    """Foreground-restricted V-Info, after thinning.

    Arganda-Carreras et al. 2015, "Foreground-restricted information theoretic scoring": the mutual
    information of proposed and true segments over the mean of their entropies,
    V = I(S; T) / (0.5 H(S) + 0.5 H(T)). Segments are counted as in `v_rand`.

    Parameters
    ----------
    membrane_probability, interior_truth, threshold
        As in `v_rand`.

    Returns
    -------
    float
        In [0, 1]; 1 means the same cells.
    """
    joint, segments, truths = _shares(membrane_probability, interior_truth, threshold)
    h_joint, h_segments, h_truths = (
        float(-(p * np.log(p)).sum()) for p in (joint, segments, truths)
    )
    entropy = 0.5 * (h_segments + h_truths)
    return 1.0 if entropy == 0 else (h_segments + h_truths - h_joint) / entropy


def _shares(
    membrane_probability: np.ndarray, interior_truth: np.ndarray, threshold: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shares p_ij > 0 of the pixels, and their sums over true and over proposed segments."""
    # 4-connectivity: two cells that touch across a corner stay two.
    cells, _ = ndimage.label(membrane_probability < threshold)
    proposed = watershed(membrane_probability, cells, watershed_line=True)
    true, _ = ndimage.label(interior_truth)
    p = proposed[interior_truth].astype(np.int64)
    t = true[interior_truth].astype(np.int64)
    alone = p == 0  # each such pixel is a segment of one pixel
    p[alone] = p.max(initial=0) + 1 + np.arange(alone.sum())
    total = float(p.size)
    joint = np.unique(p * (t.max(initial=0) + 1) + t, return_counts=True)[1] / total
    segments = np.unique(p, return_counts=True)[1] / total
    truths = np.unique(t, return_counts=True)[1] / total
    return joint, segments, truths


def best_v_rand(
    probabilities: np.ndarray, interiors: np.ndarray, thresholds: np.ndarray | None = None
) -> tuple[float, float]:
    """Best mean V-Rand over thresholds, as the challenge scores it.

    Parameters
    ----------
    probabilities, interiors : ndarray, shape (N, H, W)
        As in `v_rand`, one per section.
    thresholds : ndarray, optional
        Candidates; default 0.02, and 0.05 to 0.95 in steps of 0.05.

    Returns
    -------
    (float, float)
        Mean V-Rand over the sections, and the threshold that reached it.
    """
    if thresholds is None:
        thresholds = np.concatenate([[0.02], np.linspace(0.05, 0.95, 19)])
    scores = [
        float(np.mean([v_rand(p, i, t) for p, i in zip(probabilities, interiors, strict=True)]))
        for t in thresholds
    ]
    best = int(np.argmax(scores))
    return scores[best], float(thresholds[best])
