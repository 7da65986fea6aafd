"""Tasks by their names in `train.systems`: what a network is asked, and all that follows from it."""

from __future__ import annotations

from train.tasks.membranes import Membranes
from train.tasks.multi_class import MultiClass
from train.tasks.task import Task, Truth
from train.tasks.two_class import TwoClass
from train.tasks.whole_image import WholeImage

TASKS: dict[str, type[Task]] = {
    "two_class": TwoClass,
    "membranes": Membranes,
    "multi_class": MultiClass,
    "whole_image": WholeImage,
}

__all__ = ["TASKS", "Membranes", "MultiClass", "Task", "Truth", "TwoClass", "WholeImage"]
