"""Scores of segmentations and classifications, with intervals over images."""
