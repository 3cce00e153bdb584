"""ModelScope's files as the host's MODEL, CLIP and VAE, which the host casts and offloads like any other."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from torch import Tensor

from ...a124core.priors.modelscope.layers import LayerFactory
from ...a124core.priors.modelscope.layouts import SUFFIXES, companion, to_original, unet_files
from ...a124core.priors.modelscope.unet import Shapes, VideoUNet, check_shapes, shapes_of
from ...a124core.priors.weight_files import check_checkpoint
from ...a124core.utils.text import first_line
from .folders import model_roots
from .runtime import host_module

FOLDER = "text2video"  # under models; an older pack for the same weights reads it too
FAMILY = "modelscope"
AUTO = "auto"
COMPANIONS = {"text encoder": "open_clip_pytorch_model.bin", "VAE": "VQGAN_autoencoder.pth"}


def folder_files(folder: str) -> list[str]:
    """Return the names of the weights files in one of the host's model folders; nothing without a host."""
    paths = host_module("folder_paths")
    if paths is None:
        return []
    if folder == FOLDER:
        _register(paths)
    return [name for name in paths.get_filename_list(folder) if name.lower().endswith(SUFFIXES)]


def _register(paths: Any) -> None:
    """Add models/text2video to what extra_model_paths.yaml or another pack has already named."""
    default = str(Path(paths.models_dir) / FOLDER)
    folders, _ = paths.folder_names_and_paths.setdefault(FOLDER, ([], set(SUFFIXES)))
    if default not in folders:
        folders.append(default)


def unets() -> list[str]:
    """Return the names of the UNets under models/text2video, as the menu lists them."""
    return unet_files(folder_files(FOLDER))


def unet_path(unet: str) -> str:
    if unet not in unets():
        raise ValueError(missing_unet(unet))
    return host_module("folder_paths").get_full_path_or_raise(FOLDER, unet)


def companion_path(unet: str, chosen: str, role: str, folder: str) -> str:
    """Return the file of the widget, or with `auto` the one beside the UNet."""
    paths = host_module("folder_paths")
    if chosen != AUTO:
        return paths.get_full_path_or_raise(folder, chosen)
    name = companion(folder_files(FOLDER), unet, role)
    if name is None:
        raise ValueError(
            f"there is no {role} beside {unet}: put {COMPANIONS[role]} (or the diffusers folder it came in) there, or "
            f"choose a file of models/{folder}."
        )
    return paths.get_full_path_or_raise(FOLDER, name)


def missing_unet(unet: str) -> str:
    """Return what to do about a UNet that a workflow names and this machine does not have."""
    folders = " or ".join(map(str, model_roots(FOLDER))) or f"models/{FOLDER}"
    return (
        f"{unet!r} is not in {folders}: put text2video_pytorch_model.pth, open_clip_pytorch_model.bin and "
        "VQGAN_autoencoder.pth there, or a whole diffusers folder such as text-to-video-ms-1.7b, refresh the page's "
        "node definitions (key R) and choose the file."
    )


def _read(path: str) -> dict[str, Tensor]:
    """Read safetensors, or pickles with weights only, by the host's reader."""
    import comfy.utils

    check_checkpoint(Path(path))
    try:
        weights = comfy.utils.load_torch_file(path, safe_load=True)
    except Exception as error:  # the file is checked already: what the host's reader still finds is damage
        raise ValueError(f"{path} does not load ({first_line(error)}): copy it again.") from error
    if not isinstance(weights, dict):
        raise ValueError(f"{path} holds no weights by name: give a file of weights.")
    return {str(name): weight for name, weight in weights.items() if isinstance(weight, Tensor)}


class HostUNet(VideoUNet):
    """The video UNet as the host's BaseModel builds and calls it."""

    def __init__(self, shapes: Shapes, dtype: Any, device: Any, operations: Any, **unused: Any) -> None:
        super().__init__(shapes, LayerFactory(operations, dtype, device))
        self.dtype = dtype
        self.text_width = shapes["middle_block.1.transformer_blocks.0.attn2.to_k.weight"][1]

    def forward(
        self,
        x: Tensor,                      # (B, 4, F, h, w)
        timesteps: Tensor,              # (B,)
        context: Tensor | None = None,  # (B, L, text_width)
        y: Tensor | None = None,
        control: Any = None,
        transformer_options: dict | None = None,
        **unused: Any,
    ) -> Tensor:
        """Refuse inputs that the network has no use for, then run under the wrappers that packs put around a UNet."""
        import comfy.patcher_extension as extension

        self._refuse(x, context, control)
        options = transformer_options or {}
        wrappers = extension.get_all_wrappers(extension.WrappersMP.DIFFUSION_MODEL, options)
        run = extension.WrapperExecutor.new_class_executor(self._predict, self, wrappers)
        return run.execute(x, timesteps, context, y, control, options)

    def _predict(self, x: Tensor, timesteps: Tensor, context: Tensor, *unused: Any, **also_unused: Any) -> Tensor:
        return super().forward(x, timesteps, context)

    def _refuse(self, x: Tensor, context: Tensor | None, control: Any) -> None:
        if x.ndim != 5:
            raise ValueError(f"ModelScope denoises whole clips (B, 4, F, h, w), not latents of shape {tuple(x.shape)}.")
        if context is None or context.shape[-1] != self.text_width:
            raise ValueError(
                f"ModelScope's cross-attention expects embeddings of {self.text_width} dimensions, not "
                f"{'none' if context is None else context.shape[-1]}: wire the CLIP of its loader."
            )
        if control is not None:
            raise ValueError("ModelScope takes no ControlNet: leave it out of the video guidance's text.")


def load_model(path: str, disable_dynamic: bool = False) -> Any:
    """Return the host's MODEL (a ModelPatcher): eps-prediction, Stable Diffusion's schedule and latents."""
    import comfy.model_base
    import comfy.model_management as management
    import comfy.model_patcher

    weights = to_original(_read(path))
    config = _config(weights, management)
    model = comfy.model_base.BaseModel(config, comfy.model_base.ModelType.EPS, unet_model=HostUNet)
    model.a124_family = FAMILY
    name = "ModelPatcher" if disable_dynamic else "CoreModelPatcher"  # hosts before 0.16 know only the first
    patcher_class = getattr(comfy.model_patcher, name, comfy.model_patcher.ModelPatcher)
    device, offload_device = management.get_torch_device(), management.unet_offload_device()
    patcher = patcher_class(model, load_device=device, offload_device=offload_device)
    model.to(offload_device)
    model.diffusion_model.load_state_dict(weights, assign=getattr(patcher, "is_dynamic", bool)())
    patcher.cached_patcher_init = (load_model, (path,))  # how newer hosts make an untouched second copy
    return patcher


def _config(weights: dict[str, Tensor], management: Any) -> Any:
    """Return the host's description of a model; its defaults are eps-prediction and betas .00085 to .012."""
    import comfy.utils

    shapes = shapes_of(weights)
    check_shapes(shapes)
    config = _config_class()({"shapes": shapes, "in_channels": 4})
    dtypes = config.supported_inference_dtypes
    n_params = sum(w.numel() for w in weights.values())
    dtype = management.unet_dtype(
        model_params=n_params, supported_dtypes=dtypes, weight_dtype=comfy.utils.weight_dtype(weights)
    )
    config.set_inference_dtype(dtype, management.unet_manual_cast(dtype, management.get_torch_device(), dtypes))
    return config


@functools.cache
def _config_class() -> type:
    import comfy.latent_formats
    import comfy.supported_models_base

    class ModelScope(comfy.supported_models_base.BASE):
        unet_extra_config = {}  # heads are read from the weights
        latent_format = comfy.latent_formats.SD15  # x 0.18215
        memory_usage_factor = 1.0  # as the host counts SD 2, which every frame runs through

    return ModelScope


def load_clip(path: str) -> Any:
    """Return the host's CLIP with OpenCLIP ViT-H, whose last layer but one ModelScope was trained on."""
    import comfy.sd

    check_checkpoint(Path(path))
    clip = comfy.sd.load_clip(
        ckpt_paths=[path],
        embedding_directory=[str(root) for root in model_roots("embeddings")],
        clip_type=comfy.sd.CLIPType.STABLE_DIFFUSION,
    )
    if not hasattr(clip.cond_stage_model, "clip_h"):
        raise ValueError(
            f"{path} is {type(clip.cond_stage_model).__name__}; ModelScope was trained on OpenCLIP ViT-H "
            "(open_clip_pytorch_model.bin, or the text encoder of SD 2)."
        )
    return clip


def load_vae(path: str) -> Any:
    """Return the host's VAE. ModelScope's own file has the weights of the first stage among others."""
    import comfy.sd

    weights = _read(path)
    prefix = "first_stage_model."
    inner = {name[len(prefix) :]: w for name, w in weights.items() if name.startswith(prefix)}
    vae = comfy.sd.VAE(sd=inner or weights)
    if vae.first_stage_model is None or vae.latent_channels != 4:
        raise ValueError(
            f"{path} is not the VAE of Stable Diffusion 1 or 2, which ModelScope uses: choose one of those."
        )
    return vae
