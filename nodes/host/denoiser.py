"""A host MODEL as a denoiser that stays open: prepared as the host's own sampler does it, asked many times, closed.

LoRAs, patches and CFG patches of the wired MODEL take part, because the host's own code does the work.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

FLOW_CAP = 0.999  # a flow model's last noise level, 1, is sigma = infinity

Conds = list[dict[str, Any]]  # as the host's samplers keep them


class HostDenoiser:
    """Opened by the first question; opened again when the shape of the latents changes."""

    def __init__(self, model: Any, conds: dict[str, list], cfg: float) -> None:
        self.model, self.cfg = model, cfg
        self.conds = conds  # CONDITIONING by name; "positive" and "negative" must be among them
        self.flow = is_flow(model)
        self.sigmas = sigma_table(model, self.flow)
        self._forget()

    @torch.inference_mode()
    def open(self, shape: tuple[int, ...]) -> None:
        """What CFGGuider does before its first step (measured on ComfyUI 0.3.64 to 0.28.1)."""
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
        self.ready = {name: helpers.convert_cond(cond) for name, cond in self.conds.items()}
        samplers.preprocess_conds_hooks(self.ready)
        helpers.prepare_model_patcher(self.model, self.ready, self.options)
        samplers.filter_registered_hooks_on_conds(self.ready, self.options)
        self.room = memory_required(self.model, shape, self.ready)
        self.net, self.ready, self.extra = helpers.prepare_sampling(self.model, shape, self.ready, self.options)
        samplers.cast_to_load_options(self.options, device=device, dtype=self.model.model_dtype())
        self.model.pre_run()
        self.ready = samplers.process_conds(
            self.net, torch.zeros(shape, device=device), self.ready, device, seed=0
        )
        schedule = self.net.model_sampling.sigmas.flip(0)  # patches made for a part of a schedule look at it
        self.options.setdefault("transformer_options", {})["sample_sigmas"] = schedule.to(device)
        self.shape = shape

    def denoise(self, x_t: Tensor, sigma: Tensor, positive: Conds, negative: Conds) -> Tensor:
        """x_t = x0 + sigma eps -> x0_hat with classifier-free guidance; sigma (items,)."""
        device = self.model.load_device
        x, level = x_t.detach().to(device, torch.float32), sigma.to(device, torch.float32)
        if self.flow:
            level = level / (1.0 + level)
            x = x * (1.0 - level).view(-1, *[1] * (x.ndim - 1))
        return self._ask(x, level, positive, negative).to(x_t.device, torch.float32, copy=True)

    @torch.inference_mode()
    def _ask(self, x: Tensor, level: Tensor, positive: Conds, negative: Conds) -> Tensor:
        import comfy.samplers

        ensure_loaded(self.models(), self.room)
        self.net.current_patcher = self.model  # one slot, shared by all clones of a MODEL
        return comfy.samplers.sampling_function(
            self.net, x, level, negative, positive, self.cfg, model_options=self.options, seed=0
        )

    def models(self) -> list:
        """What has to lie on the accelerator while it is asked."""
        return [self.model, *(m for c in self._controls() for m in c.get_models())]

    def _controls(self) -> list:
        found = [entry[1]["control"] for cond in self.conds.values() for entry in cond if "control" in entry[1]]
        return list(dict.fromkeys(found))

    @torch.inference_mode()
    def close(self) -> None:
        """Leave the MODEL as it was found. The host unloads it when it needs the room."""
        if self.options is None:
            return
        import comfy.sampler_helpers as helpers
        import comfy.samplers as samplers

        try:
            samplers.cast_to_load_options(self.options, device=self.model.offload_device)
            self.model.cleanup()
            helpers.cleanup_models(self.ready, self.extra)
        finally:
            self.model.restore_hook_patches()
            self._forget()

    def _forget(self) -> None:
        self.options: dict | None = None  # a copy of the MODEL's, while it is open
        self.net: Any = None
        self.shape: tuple[int, ...] | None = None
        self.ready: dict[str, Conds] = {}  # the same names as conds, with what the MODEL needs of them
        self.extra: list = []  # ControlNets and the like, loaded with the MODEL
        self.room = (0.0, 0.0)  # bytes that one question wants, and at least needs, beside the weights


def memory_required(model: Any, shape: tuple[int, ...], conds: dict[str, Conds]) -> tuple[float, float]:
    """The estimate that the host loads a MODEL by before it samples."""
    import comfy.sampler_helpers as helpers

    _, more = helpers.get_additional_models(conds, model.model_dtype())
    return tuple(needed + more for needed in helpers.estimate_memory(model, shape, conds))


def ensure_loaded(models: list, room: tuple[float, float]) -> None:
    """Clones share their weights: another guidance's clone, or a preview, may have put these models away."""
    import comfy.model_management as management

    if not all(_is_loaded(model, management.current_loaded_models) for model in models):
        wanted, least = room
        management.load_models_gpu(models, memory_required=wanted, minimum_memory_required=least)


def _is_loaded(model: Any, entries: list) -> bool:
    patches = getattr(model.model, "current_weight_patches_uuid", None)
    return any(entry.model is model for entry in entries) and patches in (None, model.patches_uuid)


def is_flow(model: Any) -> bool:
    """Does the MODEL mix noise in (flow matching), or add it? Anything else is refused."""
    import comfy.model_sampling as kinds

    sampling = model.get_model_object("model_sampling")
    turned = tuple(getattr(kinds, name) for name in ("IMG_TO_IMG", "IMG_TO_IMG_FLOW") if hasattr(kinds, name))
    if isinstance(sampling, (kinds.EPS, kinds.CONST)) and not isinstance(sampling, turned):
        return isinstance(sampling, kinds.CONST)
    names = [c.__name__ for c in type(sampling).__mro__[1:] if c.__module__ == kinds.__name__]
    raise ValueError(
        f"this MODEL ({type(model.model).__name__}) samples by {', '.join(names) or type(sampling).__name__}, which "
        "has no score in a form that we know: connect an eps-, v- or flow-matching MODEL (SD 1.5, SD 2, SDXL, Wan ...)."
    )


def sigma_table(model: Any, flow: bool) -> Tensor:  # (T,) ascending, variance exploding
    """The MODEL's noise levels; a flow model's s becomes s / (1 - s)."""
    sigmas = model.get_model_object("model_sampling").sigmas.detach().to("cpu", torch.float32, copy=True)
    if flow:
        sigmas = sigmas.clamp(max=FLOW_CAP)
        sigmas = sigmas / (1.0 - sigmas)
    return sigmas
