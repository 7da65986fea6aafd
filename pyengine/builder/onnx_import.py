"""ONNX operators as nodes of the executor-neutral graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyengine.builder.graph import GraphBuilder
from pyengine.builder.onnx_walk import Array, OnnxWalker, refuse

if TYPE_CHECKING:
    import onnx


def import_onnx(model: onnx.ModelProto, sample_shape: tuple[int, ...]) -> GraphBuilder:
    """Translate an ONNX network with one image input and one output.

    Parameters
    ----------
    model : onnx.ModelProto
        Any opset that onnx's shape inference understands.
    sample_shape : tuple of int
        (1, C, H, W), a size the network accepts.

    Returns
    -------
    GraphBuilder

    Raises
    ------
    UnsupportedError
        An operator or attribute that the CPU executor does not run, by name.
    ValueError
        Not an image network.
    """
    return _Importer(model, sample_shape).run()


class _Importer(OnnxWalker):
    # -- convolutions --------------------------------------------------------------------------

    def _op_conv(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        weight = self._constant(node, 1, "the weight")
        if weight.ndim != 4:
            raise refuse(node, f"it has {weight.ndim - 2} spatial axes, 2 are supported")
        kernel = weight.shape[2:]
        stride, dilation = a.get("strides", [1, 1]), a.get("dilations", [1, 1])
        groups = a.get("group", 1)
        pads = self._pads(node, a, kernel, stride, dilation)
        self._emit(
            node, "conv2d", weight=weight, bias=self._optional(node, 2),
            in_channels=weight.shape[1] * groups, out_channels=weight.shape[0], groups=groups,
            kernel=list(kernel), stride=list(stride), dilation=list(dilation), amounts=pads,
        )  # fmt: skip

    def _op_convtranspose(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        weight = self._constant(node, 1, "the weight")
        if weight.ndim != 4:
            raise refuse(node, f"it has {weight.ndim - 2} spatial axes, 2 are supported")
        if a.get("auto_pad", "NOTSET") != "NOTSET" or "output_shape" in a:
            raise refuse(node, "auto_pad and output_shape are not supported")
        if any(d != 1 for d in a.get("dilations", [1, 1])):
            raise refuse(node, "dilation is not supported")
        groups = a.get("group", 1)
        self._emit(
            node, "conv_transpose2d", weight=weight, bias=self._optional(node, 2),
            in_channels=weight.shape[0], out_channels=weight.shape[1] * groups, groups=groups,
            kernel=list(weight.shape[2:]), stride=list(a.get("strides", [1, 1])),
            output_padding=list(a.get("output_padding", [0, 0])),
            amounts=list(a.get("pads", [0, 0, 0, 0])),
        )  # fmt: skip

    def _pads(
        self, node: onnx.NodeProto, a: dict[str, Any], kernel: Any, stride: Any, dilation: Any
    ) -> list[int]:
        auto = a.get("auto_pad", "NOTSET")
        if auto in ("NOTSET", "VALID"):
            pads = [0, 0, 0, 0] if auto == "VALID" else list(a.get("pads", [0, 0, 0, 0]))
            if min(pads) < 0:
                raise refuse(node, f"negative padding {pads}")
            return pads
        before, after = [], []
        for axis, size in enumerate(self._shape(node, node.input[0])[2:]):
            outputs = -(-size // stride[axis])
            total = max(
                0, (outputs - 1) * stride[axis] + (kernel[axis] - 1) * dilation[axis] + 1 - size
            )
            small, large = total // 2, total - total // 2
            before.append(small if auto == "SAME_UPPER" else large)
            after.append(large if auto == "SAME_UPPER" else small)
        return before + after

    def _op_gemm(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        weight = self._constant(node, 1, "the weight") * a.get("alpha", 1.0)
        if a.get("transA", 0):
            raise refuse(node, "transA is not supported")
        if not a.get("transB", 0):
            weight = weight.T
        bias = self._optional(node, 2)
        if bias is not None:
            bias = np.broadcast_to(bias * a.get("beta", 1.0), (1, weight.shape[0])).reshape(-1)
        self._linear(node, weight, bias)

    def _op_matmul(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        if len(self._shape(node, node.input[0])) != 2:
            raise refuse(node, "only vectors (N, C) can be multiplied by a matrix")
        self._linear(node, self._constant(node, 1, "the matrix").T, None)

    def _linear(self, node: onnx.NodeProto, weight: Array, bias: Array | None) -> None:
        self._emit(
            node, "linear", weight=weight, bias=bias, in_channels=weight.shape[1],
            out_channels=weight.shape[0],
        )  # fmt: skip

    # -- per-channel arithmetic ----------------------------------------------------------------

    def _op_batchnormalization(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        gamma, beta, mean, variance = (
            self._constant(node, i, "batch norm's parameters").astype(np.float64)
            for i in range(1, 5)
        )
        scale = gamma / np.sqrt(variance + a.get("epsilon", 1e-5))
        self._emit(node, "affine", weight=scale, bias=beta - mean * scale)

    def _affine(self, node: onnx.NodeProto, tensor: str, scale: Any, shift: Any) -> None:
        channels = self._shape(node, tensor)[1]

        def per_channel(value: Any) -> Array:
            array = np.asarray(value, np.float64)
            # (C, 1, 1), (1, C, 1, 1), (1, C) or a scalar, aligned from the right as ONNX does.
            rank = len(self._shape(node, tensor))
            shape = (1,) * (rank - array.ndim) + array.shape
            if len(shape) != rank or any(n != 1 for i, n in enumerate(shape) if i != 1):
                raise refuse(node, f"a constant of shape {array.shape} is not one per channel")
            return np.broadcast_to(array.reshape(-1), (channels,)).copy()

        self._emit(node, "affine", [tensor], weight=per_channel(scale), bias=per_channel(shift))

    def _arithmetic(self, node: onnx.NodeProto, op: str) -> None:
        x, y = node.input
        fixed = {n: self.constants[n] for n in (x, y) if n in self.constants}
        if not fixed:
            if op not in ("add", "mul"):
                raise refuse(node, "only a constant may be subtracted or divide")
            self._emit(node, op, [x, y])
        elif op == "add":
            self._affine(node, x if y in fixed else y, 1.0, next(iter(fixed.values())))
        elif op == "mul":
            self._affine(node, x if y in fixed else y, next(iter(fixed.values())), 0.0)
        elif op == "sub":
            if y in fixed:
                self._affine(node, x, 1.0, -np.asarray(fixed[y], np.float64))
            else:
                self._affine(node, y, -1.0, fixed[x])
        elif y in fixed:
            self._affine(node, x, 1 / np.asarray(fixed[y], np.float64), 0.0)
        else:
            raise refuse(node, "only a constant may divide")

    def _op_add(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        self._arithmetic(node, "add")

    def _op_mul(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        self._arithmetic(node, "mul")

    def _op_sub(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        self._arithmetic(node, "sub")

    def _op_div(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        self._arithmetic(node, "div")

    def _op_neg(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        self._affine(node, node.input[0], -1.0, 0.0)

    # -- activations ---------------------------------------------------------------------------

    def _activation(self, node: onnx.NodeProto, kind: str, **values: Any) -> None:
        self._emit(node, "activation", kind=kind, **values)

    def _op_relu(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        self._activation(node, "relu")

    def _op_leakyrelu(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        self._activation(node, "leaky_relu", alpha=float(a.get("alpha", 0.01)))

    def _op_prelu(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        slope = self._constant(node, 1, "the slope").reshape(-1)
        channels = self._shape(node, node.input[0])[1]
        self._activation(node, "prelu", weight=np.broadcast_to(slope, (channels,)).copy())

    def _op_elu(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        self._activation(node, "elu", alpha=float(a.get("alpha", 1.0)))

    def _op_sigmoid(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        self._activation(node, "sigmoid")

    def _op_tanh(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        self._activation(node, "tanh")

    def _op_erf(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        self._activation(node, "erf")

    def _op_hardswish(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        self._activation(node, "hard_swish")

    def _op_hardsigmoid(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        self._activation(
            node, "hard_sigmoid", alpha=float(a.get("alpha", 0.2)), beta=float(a.get("beta", 0.5))
        )

    def _op_gelu(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        self._activation(node, "gelu_tanh" if a.get("approximate", "none") == "tanh" else "gelu")

    def _op_swish(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        if a.get("alpha", 1.0) != 1.0:
            raise refuse(node, f"alpha is {a['alpha']}, 1 is supported")
        self._activation(node, "silu")

    def _op_clip(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        low, high = self._optional(node, 1), self._optional(node, 2)
        limit = float(np.finfo(np.float32).max)
        self._activation(
            node, "clip",
            alpha=float(a.get("min", -limit if low is None else low)),
            beta=float(a.get("max", limit if high is None else high)),
        )  # fmt: skip

    def _op_softmax(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        rank = len(self._shape(node, node.input[0]))
        axis = a.get("axis", -1 if self.opset >= 13 else 1)
        if axis % rank != 1:
            raise refuse(node, f"it runs over axis {axis}, only channels (axis 1) are supported")
        self._emit(node, "softmax")

    # -- pooling and resizing ------------------------------------------------------------------

    def _pool(self, node: onnx.NodeProto, a: dict[str, Any], op: str, **values: Any) -> None:
        kernel, stride = a["kernel_shape"], a.get("strides", [1, 1])
        if len(kernel) != 2:
            raise refuse(node, f"it has {len(kernel)} spatial axes, 2 are supported")
        if any(d != 1 for d in a.get("dilations", [1, 1])):
            raise refuse(node, "dilation is not supported")
        pads = self._pads(node, a, kernel, stride, [1, 1])
        if a.get("ceil_mode", 0):
            for axis, size in enumerate(self._shape(node, node.input[0])[2:]):
                if (size + pads[axis] + pads[axis + 2] - kernel[axis]) % stride[axis]:
                    raise refuse(node, "ceil_mode changes its output size")
        self._emit(node, op, kernel=list(kernel), stride=list(stride), amounts=pads, **values)

    def _op_maxpool(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        self._pool(node, a, "max_pool")

    def _op_averagepool(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        self._pool(node, a, "avg_pool", count_include_pad=bool(a.get("count_include_pad", 0)))

    def _op_globalaveragepool(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        self._emit(node, "global_avg_pool")

    def _op_reducemean(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        axes = a.get("axes")
        if axes is None:
            given = self._optional(node, 1)
            axes = [] if given is None else given.tolist()
        if sorted(x % 4 for x in axes) != [2, 3]:
            raise refuse(
                node, f"it averages over axes {axes}, only both spatial axes are supported"
            )
        self._emit(node, "global_avg_pool")

    def _op_resize(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        source, target = self._shape(node, node.input[0]), self._shape(node, node.output[0])
        mode = a.get("mode", "nearest")
        transform = a.get("coordinate_transformation_mode", "half_pixel")
        if len(source) != 4 or any(t % s for s, t in zip(source, target, strict=True)):
            raise refuse(node, f"from {source} to {target} is not a whole multiple")
        scale = [target[2] // source[2], target[3] // source[3]]
        if mode == "nearest":
            rounding = a.get("nearest_mode", "round_prefer_floor")
            same_as_floor = (transform == "asymmetric" and rounding == "floor") or (
                transform in ("half_pixel", "pytorch_half_pixel")
                and rounding in ("round_prefer_floor", "round_prefer_ceil")
            )
            if not same_as_floor:
                raise refuse(node, f"nearest with {transform} and {rounding}")
            self._emit(node, "upsample_nearest", stride=scale)
        elif mode == "linear" and transform in (
            "half_pixel",
            "pytorch_half_pixel",
            "align_corners",
        ):
            self._emit(
                node, "upsample_bilinear", stride=scale,
                align_corners=transform == "align_corners",
            )  # fmt: skip
        else:
            raise refuse(node, f"mode {mode} with {transform}")

    def _op_upsample(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        a = {"mode": a.get("mode", "nearest"), "coordinate_transformation_mode": "asymmetric",
             "nearest_mode": "floor"}  # fmt: skip
        self._op_resize(node, a)

    # -- shape ---------------------------------------------------------------------------------

    def _op_concat(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        if any(i in self.constants for i in node.input):
            raise refuse(node, "it joins a constant")
        if a["axis"] % len(self._shape(node, node.input[0])) != 1:
            raise refuse(node, f"it joins along axis {a['axis']}, only channels are supported")
        self._emit(node, "concat", list(node.input))

    def _op_slice(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        shape = self._shape(node, node.input[0])
        if self.opset < 10:
            starts, ends = a["starts"], a["ends"]
            axes, steps = a.get("axes"), None
        else:
            starts = self._constant(node, 1, "starts").tolist()
            ends = self._constant(node, 2, "ends").tolist()
            given, strides = self._optional(node, 3), self._optional(node, 4)
            axes = None if given is None else given.tolist()
            steps = None if strides is None else strides.tolist()
        crop = [0, 0, 0, 0]
        for i, axis in enumerate(axes if axes is not None else range(len(starts))):
            size = shape[axis]
            begin, end, step = slice(starts[i], ends[i], steps[i] if steps else 1).indices(size)
            if (begin, end, step) == (0, size, 1):
                continue
            if axis % len(shape) < 2 or len(shape) != 4 or step != 1:
                raise refuse(node, f"it cuts axis {axis} with step {step}")
            crop[axis % 4 - 2], crop[axis % 4] = begin, size - end
        if any(crop):
            self._emit(node, "crop", amounts=crop)
        else:
            self._pass(node)

    def _op_pad(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        mode = a.get("mode", "constant")
        rank = len(self._shape(node, node.input[0]))
        pads = a["pads"] if "pads" in a else self._constant(node, 1, "the padding").tolist()
        axes = self._optional(node, 3)
        full = [0] * (2 * rank)
        which = range(rank) if axes is None else [int(x) % rank for x in axes]
        for i, axis in enumerate(which):
            full[axis], full[axis + rank] = pads[i], pads[i + len(pads) // 2]
        if not any(full):
            self._pass(node)
            return
        if rank != 4 or any(full[i] for i in (0, 1, 4, 5)):
            raise refuse(node, f"it pads axes other than height and width ({full})")
        amounts = [full[2], full[3], full[6], full[7]]
        border = {"constant": "constant", "reflect": "reflect", "edge": "replicate"}.get(mode)
        if border is None:
            raise refuse(node, f"mode {mode}")
        if min(amounts) < 0:
            if max(amounts) > 0:
                raise refuse(node, f"it pads and crops at once ({amounts})")
            self._emit(node, "crop", amounts=[-n for n in amounts])
            return
        value = self._optional(node, 2)
        fill = float(a.get("value", 0.0) if value is None else value)
        self._emit(node, "pad", amounts=amounts, border=border, border_value=fill)

    def _reshape(self, node: onnx.NodeProto) -> None:
        source, target = self._shape(node, node.input[0]), self._shape(node, node.output[0])
        trailing = [n for n in source[2:] if n != 1]
        if source == target or (
            not trailing and [n for n in source if n != 1] == [n for n in target if n != 1]
            and source[:2] == target[:2]
        ):  # fmt: skip
            self._pass(node)
        elif len(source) == 4 and len(target) == 2 and target[0] == source[0]:
            self._emit(node, "flatten", out_channels=int(np.prod(source[1:])))
        else:
            raise refuse(node, f"from {source} to {target}")

    def _op_flatten(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        if a.get("axis", 1) != 1:
            raise refuse(node, f"axis {a['axis']}")
        self._reshape(node)

    def _op_reshape(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        self._reshape(node)

    _op_squeeze = _op_unsqueeze = _op_reshape

    def _op_identity(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        self._pass(node)

    _op_dropout = _op_identity

    def _op_cast(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        import onnx

        if a["to"] not in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16):
            raise refuse(node, "it changes the type of the image")
        self._pass(node)
