"""A host MODEL as the model of DreamBooth: a copy of its UNet with the host's own LoRA adapters in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ...a124core.priors.lora import DOWN, UP, check_rank, file_name, is_target
from .checks import check_embedding_dim
from .embeddings import check_embeddings
from .folders import model_roots, output_folder
from .networks import HostNetworks, checked_sampling, host_networks

USE, WEIGHT = "DreamBooth", ".weight"


@dataclass
class HostLoraModel(HostNetworks):
    """The networks (dreambooth.model.LoraModel), with a LoRA on every attention projection of the UNet."""

    adapters: dict[str, nn.Module]  # the host's, by their names in a file
    contexts: dict[str, Tensor] = field(default_factory=dict)  # of prompts, (1, L, d)

    def lora_parameters(self) -> dict[str, Tensor]:
        """Return down (r, in) and up (out, r) by their names in a file."""
        downs = {name + DOWN: adapter.lora_down.weight for name, adapter in self.adapters.items()}
        return downs | {name + UP: adapter.lora_up.weight for name, adapter in self.adapters.items()}

    def denoise(self, x_t: Tensor, sigma: Tensor, prompts: list[str]) -> Tensor:
        """x_t, sigma (B,) -> x0_hat, differentiable in the LoRA."""
        context = torch.cat([self._context(prompt) for prompt in prompts]).to(self.device)
        return self.predict_x0(x_t, sigma, context)

    def _context(self, prompt: str) -> Tensor:  # (1, L, d)
        if prompt not in self.contexts:
            self.contexts[prompt] = _encoded(self.clip, prompt)
        return self.contexts[prompt]


def lora_model(model: Any, clip: Any, vae: Any, rank: int, device: torch.device) -> HostLoraModel:
    """Return copies on the CPU with a LoRA of alpha = rank in the UNet; the host's models are unloaded first."""
    checked_sampling(model, USE)
    names = diffusers_names(model)
    parts = model.model.diffusion_model.named_modules()
    linear = {name: part for name, part in parts if name in names and isinstance(part, nn.Linear)}
    check_rank(rank, {name: (layer.out_features, layer.in_features) for name, layer in linear.items()})
    check_embedding_dim(model, _encoded(clip, "").shape[-1])  # before anything is copied
    networks = host_networks(model, clip, vae, device, USE)
    adapters = {}
    with torch.inference_mode(False):
        for name in linear:
            layer = networks.unet.get_submodule(name)
            adapters[file_name(names[name])] = adapter = _adapter(layer, rank)
            parametrize.register_parametrization(layer, "weight", adapter)
    return HostLoraModel(**vars(networks), adapters=adapters)


def _encoded(clip: Any, prompt: str) -> Tensor:  # (1, L, d)
    """Encode a prompt by the host's CLIP."""
    check_embeddings(clip, prompt)
    with torch.no_grad():
        return clip.encode_from_tokens(clip.tokenize(prompt)).detach().float().cpu().clone()


def diffusers_names(model: Any) -> dict[str, str]:
    """Return the names in diffusers of the UNet's attention projections, by the host's names for them."""
    import comfy.utils

    config = getattr(model.model.model_config, "unet_config", {})
    known = comfy.utils.unet_to_diffusers(config) if "num_res_blocks" in config else {}
    pairs = {host.removesuffix(WEIGHT): name.removesuffix(WEIGHT) for name, host in known.items()
             if name.endswith(WEIGHT)}
    return {host: name for host, name in pairs.items() if is_target(name)}


def _adapter(layer: nn.Module, rank: int) -> nn.Module:
    """Return the host's trainable LoRA of a layer: called with a weight, it adds up down to it."""
    from comfy.weight_adapter.lora import LoRAAdapter

    up, down = torch.zeros(layer.out_features, rank), torch.zeros(rank, layer.in_features)
    with torch.random.fork_rng(devices=[]):  # its layers draw numbers of their own at first
        return LoRAAdapter(set(), (up, down, float(rank), None, None, None)).to_train()


def with_lora(model: Any, path: Path) -> Any:
    """Return a clone of a MODEL with a file's LoRA, as the host's Load LoRA makes it at strength 1."""
    import comfy.sd
    import comfy.utils

    lora = comfy.utils.load_torch_file(str(path), safe_load=True)
    return comfy.sd.load_lora_for_models(model, None, lora, 1.0, 0.0)[0]


def loras_folder() -> Path:
    """Return the first of the host's folders for LoRAs; ./output/animate124/loras without a host."""
    return next(iter(model_roots("loras")), output_folder() / "loras")
