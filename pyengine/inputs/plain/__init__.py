"""What is made plain in an ONNX model before it is compared, stored and translated.

Each file of this package is one pass, from a model to a model that computes the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from pyengine.inputs.plain.dequantise import dequantise
from pyengine.inputs.plain.door import plain_door
from pyengine.inputs.plain.functions import inline_functions
from pyengine.inputs.plain.labels import scores_for_labels
from pyengine.inputs.plain.single_precision import single_precision

if TYPE_CHECKING:
    import onnx

# Changes the model in place; what a user should know of it, or "".
Pass: TypeAlias = "Callable[[onnx.ModelProto], str]"

_PASSES: tuple[Pass, ...] = (
    inline_functions, dequantise, scores_for_labels, single_precision, plain_door,
)  # fmt: skip


@dataclass(frozen=True)
class Prepared:
    """A model in plain form.

    Attributes
    ----------
    model : onnx.ModelProto
        Takes and gives float32, (N, C, H, W).
    notes : tuple of str
        What changed that a user should know, one sentence each.
    """

    model: onnx.ModelProto
    notes: tuple[str, ...]


def prepare(model: onnx.ModelProto) -> Prepared:
    """All passes, on a copy."""
    import onnx

    plain = onnx.ModelProto()
    plain.CopyFrom(model)
    notes = [change(plain) for change in _PASSES]
    return Prepared(plain, tuple(note for note in notes if note))
