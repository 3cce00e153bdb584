"""An AutoencoderKL that is exactly linear: four principal components of 2 x 2 pixels, written into its weights.

Training one would spend half of the time on what a linear map does as well at this size. Its layers are the real
ones; residual branches end in zeros, and the last norm and SiLU are made linear: each latent z travels as the pair
(z, -z) beside two constants so large that they alone decide the norm, and silu(y) - silu(-y) = y for every y.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate, unfold

LATENTS = 4
PAIRED = 2 * LATENTS  # channels z and -z
WIDTH = PAIRED + 2  # and the two constants
LOUD = 2048.0  # the constants; latents are about 5, so the norm is constant to 1e-4
SCALING = 0.18215  # of Stable Diffusion: latents times this have spread 1
SURE = -30.0  # log variance: the mode is the sample


def linear_vae(examples: Tensor) -> Any:  # (N, 3, S, S) in [0, 1] -> AutoencoderKL
    """Principal components of the pictures' patches, each with spread 1 / SCALING."""
    images = 2 * examples - 1
    patches = unfold(images, 2, stride=2).transpose(1, 2).reshape(-1, 12)  # channel, row, column
    mean = patches.mean(0)
    axes = torch.linalg.eigh(torch.cov((patches - mean).T)).eigenvectors.flip(1)[:, :LATENTS]
    weight = (axes * axes.sum(0).sign()).T.contiguous()  # (4, 12), rows of length 1; the sign is free
    latents = (patches - mean) @ weight.T
    weight = weight / (latents.std(0, keepdim=True).T * SCALING)
    bias = -weight @ mean
    vae = _empty()
    with torch.no_grad():
        _write_encoder(vae, weight.view(LATENTS, 3, 2, 2), bias)
        _write_decoder(vae, _decoding(images, weight.view(LATENTS, 3, 2, 2), bias))
    return vae.eval().requires_grad_(False)


def _empty() -> Any:
    """All weights and biases zero, norms the identity."""
    from diffusers import AutoencoderKL

    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(WIDTH, WIDTH), layers_per_block=1, norm_num_groups=1, latent_channels=LATENTS,
        sample_size=32, scaling_factor=SCALING,
    )
    for module in vae.modules():
        if not isinstance(module, nn.GroupNorm):
            for parameter in module.parameters(recurse=False):
                nn.init.zeros_(parameter)
    return vae


def _write_encoder(vae: Any, weight: Tensor, bias: Tensor) -> None:
    """conv_in hands the colours on, the strided convolution projects its 2 x 2 corner, conv_out undoes the norm."""
    encoder = vae.encoder
    for k in range(3):
        encoder.conv_in.weight[k, k, 1, 1] = 1.0
    down = encoder.down_blocks[0].downsamplers[0].conv
    down.weight[:PAIRED, :3, :2, :2] = _paired(weight)
    down.bias[:PAIRED] = _paired(bias)
    down.bias[PAIRED:] = torch.tensor([LOUD, -LOUD])
    _read_pairs(encoder.conv_out, torch.eye(LATENTS).view(LATENTS, LATENTS, 1, 1))
    encoder.conv_out.bias[LATENTS:] = SURE
    for conv in (vae.quant_conv, vae.post_quant_conv):
        conv.weight[:, :, 0, 0] = torch.eye(len(conv.weight))


def _write_decoder(vae: Any, decoding: Tensor) -> None:
    """decoding (3, 5, 3, 3) of the four latents and a constant, after nearest enlargement."""
    decoder = vae.decoder
    decoder.conv_in.weight[:PAIRED, :, 1, 1] = _paired(torch.eye(LATENTS))
    decoder.conv_in.bias[PAIRED:] = torch.tensor([LOUD, -LOUD])
    up = decoder.up_blocks[0].upsamplers[0].conv
    for k in range(WIDTH):
        up.weight[k, k, 1, 1] = 1.0
    _read_pairs(decoder.conv_out, decoding[:, :LATENTS])
    decoder.conv_out.bias.copy_(decoding[:, LATENTS].sum((1, 2)))


def _paired(rows: Tensor) -> Tensor:
    return torch.stack((rows, -rows), 1).flatten(0, 1)


def _read_pairs(conv: nn.Conv2d, kernel: Tensor) -> None:
    """kernel (out, 4, k, k) on the latents behind norm and SiLU: the norm divided by the spread of all channels."""
    spread = (2 * LOUD**2 / WIDTH) ** 0.5
    middle = slice(1, 2) if kernel.shape[-1] == 1 else slice(0, 3)
    conv.weight[: len(kernel), 0:PAIRED:2, middle, middle] = kernel * spread
    conv.weight[: len(kernel), 1:PAIRED:2, middle, middle] = -kernel * spread


def _decoding(images: Tensor, weight: Tensor, bias: Tensor) -> Tensor:  # (3, 5, 3, 3)
    """Least squares from 3 x 3 enlarged latents to the pixel; previews only, so no finer than that."""
    z = conv2d(images[:64], weight, bias, stride=2)
    z = interpolate(z, scale_factor=2, mode="nearest")
    columns = unfold(z, 3, padding=1).transpose(1, 2).reshape(-1, 9 * LATENTS)
    columns = torch.cat((columns, torch.ones(len(columns), 1)), 1)
    solution = torch.linalg.lstsq(columns, images[:64].flatten(2).transpose(1, 2).reshape(-1, 3)).solution.T  # (3, 37)
    decoding = torch.zeros(3, LATENTS + 1, 3, 3)
    decoding[:, :LATENTS] = solution[:, :-1].view(3, LATENTS, 3, 3)
    decoding[:, LATENTS, 1, 1] = solution[:, -1]
    return decoding
