"""Functions that a model brings along become the operators that they are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx


def inline_functions(model: onnx.ModelProto) -> str:
    """Put the operators of a model's own functions in their places."""
    import onnx.inliner

    if model.functions:
        model.CopyFrom(onnx.inliner.inline_local_functions(model))
    return ""
