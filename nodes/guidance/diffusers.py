"""2 Priors: a model in diffusers' folder layout in any role of the method."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...a124core.priors.defaults import NOISE_LEVEL, NORMALISED, RELEASED, RoleDefaults
from ...a124core.priors.diffusers.offload import offload_policy
from ...a124core.priors.diffusers.roles import ROLES, RoleRequest, folder_guidance
from ...a124core.priors.zero123_pose import KINDS, check_reference
from ...a124core.stages.presets import MEMORY
from ...a124core.utils.validate import checked_prompt
from .. import sockets
from ..declarations import unused_options
from ..host import model_folders as host
from ..host import ui
from ..host.embeddings import read_embeddings
from ..host.file_stamps import NEVER_SAME
from ..host.memory import host_device
from ..host.runtime import outside_inference
from ..queued import UNPLUGGED, check_declared, when_queued
from .widgets import calibrate, still_prompt, weight_unit

NOTHING, NONE = "nothing in models/diffusers yet", "none"
OUTPUTS = ("image", "view", "video", "refine")
UNUSED = {  # inputs without effect for a role; view's prompt and the others' reference are often wired, so not listed
    "image": ("control_net", "kind", "noise_level", "still_prompt"),
    "view": ("control_net", "negative_prompt", "noise_level", "still_prompt"),
    "video": ("control_net", "kind", "noise_level"),
    "refine": ("kind", "noise_level", "still_prompt"),
    "upscale": ("control_net", "kind", "still_prompt"),
}


class A124DiffusersGuidance:
    """One folder, one role, one guidance."""

    DESCRIPTION = (
        "Makes a guidance of any role from a model in diffusers' folder layout, such as a git clone from Hugging Face. "
        "It needs the Python package diffusers; nothing is downloaded."
    )
    CATEGORY = "Animate124/2 Priors"
    SEARCH_ALIASES = ["animate124 diffusers", "zero123", "ModelScope", "stable diffusion", "folder", "guidance", "4D"]
    RETURN_TYPES = sockets.GUIDANCES
    RETURN_NAMES = sockets.GUIDANCE_NAMES
    OUTPUT_TOOLTIPS = (
        "With role image. Otherwise nothing, as if unplugged.",
        "With role view. Otherwise nothing, as if unplugged.",
        "With role video. Otherwise nothing, as if unplugged.",
        "With role refine or upscale. Otherwise nothing, as if unplugged.",
    )
    FUNCTION = "make"
    HAS_INTERMEDIATE_OUTPUT = True

    @classmethod
    def INPUT_TYPES(cls) -> dict:
        names = list(host.folders())
        return {
            "required": {
                "role": (list(ROLES), {"tooltip": (
                    "What the model guides. image: Stable Diffusion 1 or 2. view: Zero123. video: ModelScope or "
                    "ZeroScope. refine: Stable Diffusion with a tile ControlNet. upscale: the SD x4 upscaler."
                )}),
                "model": (names or [NOTHING], {"tooltip": (
                    "A model's folder under models/diffusers or models/text2video, or Zero123's original file there."
                )}),
                "control_net": ([NONE, *names], {"default": NONE, "tooltip": (
                    "Role refine: the folder of a tile ControlNet of the model's family. none: the paper's naive "
                    "personalised prior."
                )}),
                "prompt": ("STRING", {"multiline": True, "default": "a panda is dancing", "tooltip": (
                    "What is in the image, or what happens. The release's suffixes are added. Role refine: write "
                    "embedding:name in place of the subject. Role view does not use it."
                )}),
                "negative_prompt": ("STRING", {"default": "", "tooltip": (
                    "What must not appear. Empty as in the authors' code."
                )}),
                "kind": (list(KINDS), {"tooltip": (
                    "Role view: which pose the model expects. zero123 is also for Zero123-XL."
                )}),
                "cfg": ("FLOAT", {"default": 0.0, "min": 0.0, "max": 1000.0, "step": 0.5, "tooltip": (
                    "Strength of classifier-free guidance. 0: that of the authors' code for the role (image 101, "
                    "view 5, video 101, refine 8.5, upscale 9)."
                )}),
                "weight": ("FLOAT", {"default": 0.0, "min": 0.0, "max": 1e4, "step": 0.001, "tooltip": (
                    "Weight of this guidance. 0: that of the authors' code for the role (image 0.025, the others 1; a "
                    "view guidance for the moving stages needs 40)."
                )}),
                "t_max": ("FLOAT", {"default": 0.0, "min": 0.0, "max": 1.0, "step": 0.01, "tooltip": (
                    "Highest noise level that is drawn, as a share of the schedule. 0: that of the authors' code for "
                    "the role (image and view 0.6, video 0.98, refine and upscale 0.8)."
                )}),
                "size": ("INT", {"default": 0, "min": 0, "max": 2048, "step": 8, "tooltip": (
                    "Renders are resized to this many pixels for the model. 0: that of the authors' code for the role "
                    "(image 512, view and video 256, refine 1024, upscale 512)."
                )}),
                "noise_level": ("INT", {"default": NOISE_LEVEL, "min": 0, "max": 350, "tooltip": (
                    "Role upscale: noise level of the low-resolution image. 20 is the upscaler's own default."
                )}),
                "memory": (["auto", *MEMORY], {"default": "auto", "tooltip": (
                    "low: the weights are offloaded to main memory between steps, and cond and uncond run one after "
                    "the other. Slower, same result. The others keep them on the accelerator while a stage runs."
                )}),
            },
            "optional": {
                "reference": (sockets.REFERENCE, {"tooltip": "Your picture, from node 1. Role view needs it."}),
                "weight_unit": weight_unit("weight 0 means image 0.23, view 2.3, video 0.83, refine and upscale 2.6"),
                "calibrate": calibrate(),
                "still_prompt": still_prompt(),
            },
            "hidden": {"unique_id": "UNIQUE_ID"},
        }

    @classmethod
    def VALIDATE_INPUTS(
        cls, role: str | None = None, model: str | None = None, control_net: str | None = None,
        prompt: str | None = None, reference: Any = UNPLUGGED,
    ) -> bool:
        names = host.folders()
        absent = [name for name in (model, control_net) if name not in (None, NONE, *names)]
        with when_queued():
            if absent:
                raise ValueError(" ".join(host.missing_model(name) for name in dict.fromkeys(absent)))
            check_declared(cls, role=role)
            if role == "view":
                check_reference(reference is not UNPLUGGED)
            elif role is not None and prompt is not None:
                checked_prompt(prompt)
        return True

    @classmethod
    def IS_CHANGED(cls, model: str | None = None, control_net: str | None = None, **others: Any) -> str | float:
        if model is None or control_net is None:
            return NEVER_SAME
        names = host.folders()
        return str([host.folder_stamp(names[name]) for name in (model, control_net) if name in names])

    @outside_inference
    def make(
        self, role: str, model: str, control_net: str, prompt: str, negative_prompt: str, kind: str, cfg: float,
        weight: float, t_max: float, size: int, noise_level: int, memory: str, reference: Any = None,
        weight_unit: str = "raw", calibrate: bool = False, still_prompt: str = "", unique_id: str | None = None,
    ) -> tuple | dict[str, Any]:
        names = host.folders()
        if model not in names:
            raise ValueError(host.missing_model(model))
        prompt = prompt if role == "view" else checked_prompt(prompt)
        numbers = replace(_usual(role, weight_unit), calibrate=calibrate)
        request = RoleRequest(
            role, names[model], prompt, _numbers(numbers, cfg, weight, t_max, size),
            control=names.get(control_net), reference=reference, negative=negative_prompt,
            embeddings=read_embeddings(prompt), kind=kind, noise_level=noise_level, still=still_prompt,
        )
        options = {"control_net": control_net, "negative_prompt": negative_prompt, "kind": kind}
        options |= {"noise_level": noise_level, "still_prompt": still_prompt}
        note = unused_options(type(self), f"role {role}", UNUSED[role], options)
        if note:
            ui.show_text(unique_id, note)  # before the minutes of loading
        guidance = folder_guidance(request, offload_policy(memory, str(host_device())))
        output = "refine" if role == "upscale" else role
        made = tuple(guidance if name == output else None for name in OUTPUTS)
        return ui.output(note, *made) if note else made


def _usual(role: str, weight_unit: str) -> RoleDefaults:
    """Return the role's released numbers with its weight in the unit."""
    numbers = RELEASED[role]
    return numbers if weight_unit == "raw" else replace(numbers, weight=NORMALISED[role], weight_unit=weight_unit)


def _numbers(released: RoleDefaults, cfg: float, weight: float, t_max: float, size: int) -> RoleDefaults:
    """Return the role's released numbers, with those that are not 0 in their place."""
    options = {"cfg": cfg, "weight": weight, "t_max": t_max, "size": size}
    numbers = replace(released, **{name: value for name, value in options.items() if value > 0})
    return replace(numbers, t_min=min(numbers.t_min, numbers.t_max))
