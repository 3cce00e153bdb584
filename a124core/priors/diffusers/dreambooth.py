"""A Stable Diffusion folder as the model of DreamBooth: peft puts a LoRA beside its UNet's attention projections."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from ..lora import DOWN, TARGETS, UP, check_rank, file_name, is_target
from .lora import ADAPTER
from .networks import FolderNetworks, load_networks
from .offload import OffloadPolicy
from .package import peft


@dataclass
class FolderLoraModel(FolderNetworks):
    """The networks (dreambooth.model.LoraModel), with a LoRA beside every attention projection of the UNet."""

    contexts: dict[str, Tensor] = field(default_factory=dict)  # of prompts, (1, L, d)

    def lora_parameters(self) -> dict[str, Tensor]:
        """Return down (r, in) and up (out, r) by their names in a file."""
        named = {}
        for name, layer in self.unet.named_modules():
            if ADAPTER in getattr(layer, "lora_A", {}):
                named[file_name(name) + DOWN] = layer.lora_A[ADAPTER].weight
                named[file_name(name) + UP] = layer.lora_B[ADAPTER].weight
        return named

    def denoise(self, x_t: Tensor, sigma: Tensor, prompts: list[str]) -> Tensor:
        """x_t (B, C, h, w), sigma (B,) -> x0_hat, differentiable in the LoRA."""
        return self.predict_x0(x_t, sigma, torch.cat([self._context(prompt) for prompt in prompts]))

    @torch.no_grad()
    def _context(self, prompt: str) -> Tensor:  # (1, L, d)
        if prompt not in self.contexts:
            self.contexts[prompt] = self.text.encode([self.text.token_ids(prompt)])
        return self.contexts[prompt]


def load_lora_model(folder: Path, rank: int, policy: OffloadPolicy) -> FolderLoraModel:
    """Load a folder for DreamBooth; its LoRA, of alpha = rank, is zero until it is trained."""
    config = peft().LoraConfig(r=rank, lora_alpha=rank, target_modules=list(TARGETS), init_lora_weights=True)
    networks = load_networks(folder, policy, f"dreambooth {rank}")
    unet = networks.unet
    if ADAPTER not in getattr(unet, "peft_config", {}):  # the same object is given again as long as somebody holds it
        linear = {n: m for n, m in unet.named_modules() if is_target(n) and isinstance(m, nn.Linear)}
        check_rank(rank, {name: tuple(layer.weight.shape) for name, layer in linear.items()})
        unet.add_adapter(config, ADAPTER)
    model = FolderLoraModel(**vars(networks))
    for parameter in model.lora_parameters().values():
        parameter.data = parameter.data.float()  # peft takes the weights' own type, which may have 16 bits
    return model
