"""The field's MLP in Triton: hidden units stay in registers and are recomputed in the backward pass.

Products are in float32, without tensor cores: three TF32 products each needed 1 kB of stack and 104 kB of shared memory
in the backward pass, more than consumer cards have. One kernel for both gradients does not fit its registers."""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

BLOCK = 32  # samples of one program at a time
PROGRAMS = 512  # that share the samples when gradients of the weights are summed, each for itself
SMALLEST = 16  # side of a matrix that tl.dot takes


@triton.jit
def _load_matrix(source, row, rows, columns, COLUMNS: tl.constexpr):
    """These rows of a row-major (rows, columns) matrix, zeros around it."""
    c = tl.arange(0, COLUMNS)[None, :]
    return tl.load(source + row[:, None] * columns + c, mask=(row[:, None] < rows) & (c < columns), other=0.0)


@triton.jit
def _store_matrix(target, value, row, rows, columns, COLUMNS: tl.constexpr):
    """The opposite of _load_matrix."""
    c = tl.arange(0, COLUMNS)[None, :]
    tl.store(target + row[:, None] * columns + c, value, mask=(row[:, None] < rows) & (c < columns))


@triton.jit
def _hidden(x, weight, bias):
    """(BLOCK, WIDTH), (HIDDEN, WIDTH), (1, HIDDEN) -> (BLOCK, HIDDEN). NaN stays NaN, as in torch."""
    before = tl.dot(x, tl.trans(weight), input_precision="ieee") + bias
    return tl.maximum(before, 0.0, propagate_nan=tl.PropagateNan.ALL)


@triton.jit
def _hidden_gradient(units, grad, w2, sample, count, hidden, OUTPUTS: tl.constexpr, HIDDEN: tl.constexpr):
    """The gradient at the first layer's output, before its relu gave these units."""
    h = tl.arange(0, HIDDEN)
    total = tl.zeros_like(units)
    for k in tl.static_range(OUTPUTS):
        g = tl.load(grad + sample * OUTPUTS + k, mask=sample < count, other=0.0)
        total += g[:, None] * tl.load(w2 + k * hidden + h, mask=h < hidden, other=0.0)[None, :]
    return tl.where(units > 0.0, total, 0.0)


@triton.jit
def _mlp_forward(
    features, w1, b1, w2, b2, out, count, width, hidden,
    OUTPUTS: tl.constexpr, WIDTH: tl.constexpr, HIDDEN: tl.constexpr, BLOCK: tl.constexpr,
):
    """(count, width) -> (count, OUTPUTS). WIDTH, HIDDEN: the sizes rounded up to powers of two."""
    sample = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    h = tl.arange(0, HIDDEN)
    weight, bias = _load_matrix(w1, h, hidden, width, WIDTH), tl.load(b1 + h, mask=h < hidden, other=0.0)[None, :]
    units = _hidden(_load_matrix(features, sample, count, width, WIDTH), weight, bias)
    for k in tl.static_range(OUTPUTS):
        row = tl.load(w2 + k * hidden + h, mask=h < hidden, other=0.0)
        value = tl.sum(units * row[None, :], 1) + tl.load(b2 + k)
        tl.store(out + sample * OUTPUTS + k, value, mask=sample < count)


@triton.jit
def _features_backward(
    features, w1, b1, w2, grad, out, count, width, hidden,
    OUTPUTS: tl.constexpr, WIDTH: tl.constexpr, HIDDEN: tl.constexpr, BLOCK: tl.constexpr,
):
    """(count, OUTPUTS) -> (count, width)."""
    sample = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    h = tl.arange(0, HIDDEN)
    weight, bias = _load_matrix(w1, h, hidden, width, WIDTH), tl.load(b1 + h, mask=h < hidden, other=0.0)[None, :]
    units = _hidden(_load_matrix(features, sample, count, width, WIDTH), weight, bias)
    to_hidden = _hidden_gradient(units, grad, w2, sample, count, hidden, OUTPUTS, HIDDEN)
    _store_matrix(out, tl.dot(to_hidden, weight, input_precision="ieee"), sample, count, width, WIDTH)


@triton.jit
def _weights_backward(
    features, w1, b1, w2, grad, to_w1, to_b1, to_w2, count, width, hidden,
    OUTPUTS: tl.constexpr, WIDTH: tl.constexpr, HIDDEN: tl.constexpr, BLOCK: tl.constexpr,
):
    """Sums over every PROGRAMS-th block of samples, to this program's row of (PROGRAMS, size of each)."""
    program, h, column = tl.program_id(0), tl.arange(0, HIDDEN), tl.arange(0, OUTPUTS)[None, :]
    weight, bias = _load_matrix(w1, h, hidden, width, WIDTH), tl.load(b1 + h, mask=h < hidden, other=0.0)[None, :]
    sum1, sum_b1 = tl.zeros([HIDDEN, WIDTH], dtype=tl.float32), tl.zeros([HIDDEN], dtype=tl.float32)
    sum2 = tl.zeros([HIDDEN, OUTPUTS], dtype=tl.float32)
    for block in range(program, tl.cdiv(count, BLOCK), tl.num_programs(0)):
        sample = block * BLOCK + tl.arange(0, BLOCK).to(tl.int64)
        x = _load_matrix(features, sample, count, width, WIDTH)
        units = _hidden(x, weight, bias)
        for k in tl.static_range(OUTPUTS):
            g = tl.load(grad + sample * OUTPUTS + k, mask=sample < count, other=0.0)
            sum2 += tl.where(column == k, tl.sum(g[:, None] * units, 0)[:, None], 0.0)
        to_hidden = _hidden_gradient(units, grad, w2, sample, count, hidden, OUTPUTS, HIDDEN)
        sum1 += tl.dot(tl.trans(to_hidden), x, input_precision="ieee")
        sum_b1 += tl.sum(to_hidden, 0)
    _store_matrix(to_w1 + program * hidden * width, sum1, h, hidden, width, WIDTH)
    tl.store(to_b1 + program * hidden + h, sum_b1, mask=h < hidden)
    tl.store(to_w2 + (program * OUTPUTS + column) * hidden + h[:, None], sum2, mask=h[:, None] < hidden)


class _MLP(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor) -> Tensor:
        ctx.save_for_backward(features, w1, b1, w2)
        out = features.new_empty(features.shape[0], w2.shape[0])
        blocks, sizes, options = _launch(features, w1, w2)
        if blocks:
            _mlp_forward[(blocks,)](features, w1, b1, w2, b2, out, *sizes, **options)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:
        inputs = (*ctx.saved_tensors, grad.contiguous())
        features, w1, b1, w2, grad = inputs
        blocks, sizes, options = _launch(features, w1, w2)
        to_features = torch.empty_like(features)
        sums = [w.new_empty(min(blocks, PROGRAMS), *w.shape) for w in (w1, b1, w2)]
        if blocks:
            _features_backward[(blocks,)](*inputs, to_features, *sizes, **options)
            _weights_backward[(len(sums[0]),)](*inputs, *sums, *sizes, **options)
        return to_features, *(s.sum(0) for s in sums), grad.sum(0)


def _launch(features: Tensor, w1: Tensor, w2: Tensor) -> tuple[int, tuple[int, ...], dict[str, int]]:
    """Return the blocks of samples, the sizes, and the constants that the kernels are compiled for."""
    (count, width), hidden = features.shape, w1.shape[0]
    rounded = [max(SMALLEST, triton.next_power_of_2(side)) for side in (width, hidden)]
    options = {"OUTPUTS": w2.shape[0], "WIDTH": rounded[0], "HIDDEN": rounded[1], "BLOCK": BLOCK}
    return triton.cdiv(count, BLOCK), (count, width, hidden), options


def mlp(features: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor) -> Tensor:  # (N, F) -> (N, O)
    """As torch_impl.mlp.mlp, for a power of two of outputs; once differentiable."""
    return _MLP.apply(*(t.contiguous() for t in (features, w1, b1, w2, b2)))
