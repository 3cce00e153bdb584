"""The host's CLIP and CLIP_VISION as the encoder of Evaluate, against transformers' network of the same weights.

Run by the host's Python: evaluate_checks.py COMFYUI_PATH MODELS. The host's own classes, made tiny by their configs.
"""

from __future__ import annotations

import json
import sys
import tempfile
from functools import partial
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parent))
from pack_in_host import enter_host, load_pack, run_checks  # noqa: E402

enter_host(sys.argv[1])
sys.path.remove(str(Path(__file__).resolve().parent))

import comfy.clip_vision  # noqa: E402
import comfy.sd  # noqa: E402
import comfy.sd1_clip  # noqa: E402
import torch  # noqa: E402
from transformers import CLIPConfig, CLIPModel  # noqa: E402

torch.set_num_threads(1)
part = load_pack()
HostClip = part("nodes.host.clip_scores").HostClip
DIM, VOCABULARY = 32, 49408  # the host's text encoders project to their own width
ENDS = {"bos_token_id": 49406, "eos_token_id": 49407, "pad_token_id": 49407}
SIZES = {"hidden_size": DIM, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
         "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5, "projection_dim": DIM}
TEXT = SIZES | {"vocab_size": VOCABULARY, "max_position_embeddings": 77, **ENDS}
VISION = SIZES | {"image_size": 56, "patch_size": 14, "num_channels": 3, "model_type": "clip_vision_model"}
CAPTIONS = ("a panda is dancing", "a fox (asleep) in a basket")


class TinyText(comfy.sd1_clip.SDClipModel):
    """The text encoder of an SD 1.x checkpoint, whose texts the host leaves unprojected."""

    def __init__(self, device="cpu", dtype=None, model_options=None):
        config = {"textmodel_json_config": dict(TEXT), "return_projected_pooled": False}
        super().__init__(device=device, dtype=dtype, model_options=model_options or {}, **config)


@torch.inference_mode()
def halves():
    """Return transformers' CLIP with random weights, and the host's two halves of it."""
    torch.manual_seed(0)
    whole = CLIPModel(CLIPConfig(text_config=TEXT, vision_config=VISION, projection_dim=DIM)).float().eval()
    weights = {name: value.clone() for name, value in whole.state_dict().items()}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_text(json.dumps(VISION))  # older hosts read files only
        vision = comfy.clip_vision.ClipVisionModel(str(Path(folder) / "config.json"))
    below = {name: value for name, value in weights.items() if name.startswith(("vision_model.", "visual_projection."))}
    missing, _ = vision.load_sd(below)
    made = partial(comfy.sd1_clip.SD1ClipModel, clip_model=TinyText)
    target = SimpleNamespace(params={}, clip=made, tokenizer=comfy.sd1_clip.SD1Tokenizer)
    clip = comfy.sd.CLIP(target)
    text = {name: value for name, value in weights.items() if name.startswith(("text_model.", "text_projection."))}
    clip.cond_stage_model.clip_l.transformer.load_state_dict(text, strict=False)
    return whole, clip, vision, [name for name in missing if "position_ids" not in name]


def check_agreement():
    whole, clip, vision, missing = halves()
    with torch.inference_mode():
        host = HostClip(clip, vision)
        image = torch.rand(2, 3, 56, 56, generator=torch.Generator().manual_seed(1))
        image = (image * 255).round() / 255
        tokens = clip.tokenize(CAPTIONS[0])
        ids = torch.tensor([[token for token, *_ in tokens["l"][0]]])
        pooled = whole.text_model(ids).pooler_output
        mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (vision.image_mean, vision.image_std))
        theirs = whole.visual_projection(whole.vision_model(pixel_values=(image - mean) / std).pooler_output)
        unit = part("a124core.evaluation.clip_scores").unit
        return {
            "missing": missing, "label": host.label, "is_paper": host.is_paper,
            "text": float((host.texts(CAPTIONS[:1]) * unit(whole.text_projection(pooled))).sum()),
            "image": (host.images(image) * unit(theirs)).sum(1).tolist(),
            "second": host.texts(CAPTIONS).shape[0],
        }


def check_node():
    _, clip, vision, _ = halves()
    config = part("a124core.field.config").FieldConfig(
        time_grids=3, levels=2, base_resolution=4, max_resolution=8, log2_hashmap_size=10, hidden=8
    )
    field = part("a124core.field.field4d").new_field(config, torch.Generator().manual_seed(0))
    node = part("nodes").NODE_CLASS_MAPPINGS["A124Evaluate"]
    widgets = {"candidates": "captions", "captions": "\n".join(CAPTIONS), "views": 2, "times": 3, "size": 32}
    with torch.inference_mode():
        table, curves, _ = node().evaluate(
            field, CAPTIONS[0], geometry=False, clip=clip, clip_vision=vision, **widgets
        )["result"]
    return {"table": table, "finite": bool(curves.isfinite().all())}


def check_no_projection():
    _, clip, vision, _ = halves()
    clip.cond_stage_model.clip_l.transformer.text_projection.weight.data.zero_()
    try:
        HostClip(clip, vision).texts(CAPTIONS[:1])
    except ValueError as error:
        return {"refused": str(error)}
    return {"refused": ""}


run_checks([check_agreement, check_node, check_no_projection])
