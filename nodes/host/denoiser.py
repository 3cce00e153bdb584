"""A host MODEL as a denoiser, prepared as the host's own sampler prepares it and kept open over many steps.

LoRAs, patches and CFG patches of the wired MODEL take effect, because the host's own code does the work.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

from ...a124core.protocols import View

FLOW_CAP = 0.999  # a flow model's last noise level, 1, is sigma = infinity

Conds = list[dict[str, Any]]  # processed conditionings, as the host's samplers keep them


class Conditioner(Protocol):
    """What a MODEL is conditioned on. Inherit from it."""

    conds: dict[str, list]  # CONDITIONING by name; "positive" and "negative" must be among them
    reads_condition: bool = False  # does it use View.condition?

    def __call__(self, denoiser: HostDenoiser, view: View) -> tuple[Conds, Conds]:
        """Return (positive, negative) for the cameras and the condition image of this step."""


class HostDenoiser:
    """Opened by the first denoise; opened again when the shape of the latents changes."""

    def __init__(self, model: Any, conds: dict[str, list], cfg: float) -> None:
        self.model, self.conds, self.cfg = model, conds, cfg
        self.flow = is_flow(model)
        self.sigmas = sigma_table(model, self.flow)
        self._reset()

    @torch.inference_mode()
    def open(self, shape: tuple[int, ...]) -> None:
        """Do what CFGGuider does before its first step (measured on ComfyUI 0.3.64 to 0.28.1)."""
        self.close()
        try:
            self._open(shape)
        except BaseException:  # out of memory, a cancel: nothing may stay half open
            self.close()
            raise

    def _open(self, shape: tuple[int, ...]) -> None:
        import comfy.model_patcher
        import comfy.sampler_helpers as helpers
        import comfy.samplers as samplers

        device = self.model.load_device
        self.options = comfy.model_patcher.create_model_options_clone(self.model.model_options)
        self.processed_conds = {name: helpers.convert_cond(cond) for name, cond in self.conds.items()}
        samplers.preprocess_conds_hooks(self.processed_conds)
        helpers.prepare_model_patcher(self.model, self.processed_conds, self.options)
        samplers.filter_registered_hooks_on_conds(self.processed_conds, self.options)
        _, additional = helpers.get_additional_models(self.processed_conds, self.model.model_dtype())
        estimate = helpers.estimate_memory(self.model, shape, self.processed_conds)
        self.memory_required = tuple(n_bytes + additional for n_bytes in estimate)
        self.inner_model, self.processed_conds, self.loaded_models = helpers.prepare_sampling(
            self.model, shape, self.processed_conds, self.options
        )
        samplers.cast_to_load_options(self.options, device=device, dtype=self.model.model_dtype())
        self.model.pre_run()
        self.processed_conds = samplers.process_conds(
            self.inner_model, torch.zeros(shape, device=device), self.processed_conds, device, seed=0
        )
        schedule = self.inner_model.model_sampling.sigmas.flip(0)  # read by patches made for a part of a schedule
        self.options.setdefault("transformer_options", {})["sample_sigmas"] = schedule.to(device)
        self.shape = shape

    def denoise(self, x_t: Tensor, sigma: Tensor, positive: Conds, negative: Conds) -> Tensor:
        """x_t = x0 + sigma eps -> x0_hat with classifier-free guidance; sigma (items,)."""
        device = self.model.load_device
        x, level = x_t.detach().to(device, torch.float32), sigma.to(device, torch.float32)
        if self.flow:
            level = level / (1.0 + level)
            x = x * (1.0 - level).view(-1, *[1] * (x.ndim - 1))
        return self._sample(x, level, positive, negative).to(x_t.device, torch.float32, copy=True)

    @torch.inference_mode()
    def _sample(self, x: Tensor, level: Tensor, positive: Conds, negative: Conds) -> Tensor:
        import comfy.samplers

        ensure_loaded(self.models(), self.memory_required)
        self.inner_model.current_patcher = self.model  # one slot, shared by all clones of a MODEL
        return comfy.samplers.sampling_function(
            self.inner_model, x, level, negative, positive, self.cfg, model_options=self.options, seed=0
        )

    def models(self) -> list:
        """Return what has to be loaded while it denoises: the MODEL and its ControlNets."""
        controls = [entry[1]["control"] for cond in self.conds.values() for entry in cond if "control" in entry[1]]
        return [self.model, *(m for control in dict.fromkeys(controls) for m in control.get_models())]

    @torch.inference_mode()
    def close(self) -> None:
        """Restore the MODEL as it was before. The host unloads it when it needs the memory."""
        if self.options is None:
            return
        import comfy.sampler_helpers as helpers
        import comfy.samplers as samplers

        try:
            samplers.cast_to_load_options(self.options, device=self.model.offload_device)
            self.model.cleanup()
            helpers.cleanup_models(self.processed_conds, self.loaded_models)
        finally:
            self.model.restore_hook_patches()
            self._reset()

    def _reset(self) -> None:
        self.options: dict | None = None  # a copy of the MODEL's, while it is open
        self.inner_model: Any = None
        self.shape: tuple[int, ...] | None = None
        self.processed_conds: dict[str, Conds] = {}  # by the names of conds
        self.loaded_models: list = []  # ControlNets and the like, loaded with the MODEL
        self.memory_required = (0.0, 0.0)  # bytes by which the host loads before it samples: preferred, least


def ensure_loaded(models: list, required: tuple[float, float]) -> None:
    """Load the models again if a clone of another guidance, or a preview, has unloaded them: clones share weights."""
    import comfy.model_management as management

    if not all(_is_loaded(model, management.current_loaded_models) for model in models):
        preferred, least = required
        management.load_models_gpu(models, memory_required=preferred, minimum_memory_required=least)


def _is_loaded(model: Any, entries: list) -> bool:
    patches = getattr(model.model, "current_weight_patches_uuid", None)
    return any(entry.model is model for entry in entries) and patches in (None, model.patches_uuid)


def is_flow(model: Any) -> bool:
    """Return True for a flow-matching MODEL, False for an eps- or v-prediction; refuse any other."""
    import comfy.model_sampling as kinds

    sampling = model.get_model_object("model_sampling")
    image_to_image = tuple(getattr(kinds, name) for name in ("IMG_TO_IMG", "IMG_TO_IMG_FLOW") if hasattr(kinds, name))
    if isinstance(sampling, (kinds.EPS, kinds.CONST)) and not isinstance(sampling, image_to_image):
        return isinstance(sampling, kinds.CONST)
    names = [c.__name__ for c in type(sampling).__mro__[1:] if c.__module__ == kinds.__name__]
    raise ValueError(
        f"this MODEL ({type(model.model).__name__}) samples by {', '.join(names) or type(sampling).__name__}, whose "
        "score has no known form: connect an eps-, v- or flow-matching MODEL (SD 1.5, SD 2, SDXL, Wan ...)."
    )


def sigma_table(model: Any, flow: bool) -> Tensor:  # (T,) ascending, variance exploding
    """Return the MODEL's noise levels; a flow model's s becomes s / (1 - s)."""
    sigmas = model.get_model_object("model_sampling").sigmas.detach().to("cpu", torch.float32, copy=True)
    if flow:
        sigmas = sigmas.clamp(max=FLOW_CAP)
        sigmas = sigmas / (1.0 - sigmas)
    return sigmas
