"""A tiny random CLIP in the real formats: its scores are recomputed by transformers' own processor and model."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

pytest.importorskip("transformers", reason="transformers is not installed: needed for a CLIP folder")

from a124core.evaluation.captions import candidates_from
from a124core.evaluation.clip_encoder import FolderClip, describe_variant, load_clip
from a124core.evaluation.film import FilmGrid
from a124core.evaluation.scores import Task, score_scene
from a124core.protocols import Cameras
from a124core.reference.reference import make_reference
from tests import tiny_clip
from tests.tiny_clip import CAPTIONS

GRID = FilmGrid(views=2, times=3, size=56)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return tiny_clip.clip(tmp_path_factory.mktemp("clip") / "tiny")


@pytest.fixture(scope="module")
def clip(folder: Path) -> FolderClip:
    return load_clip(folder)


def frames(cameras: Cameras, time: torch.Tensor, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Waves that turn with the camera and go with time, in whole levels of 255, so that PIL loses nothing."""
    y, x = torch.meshgrid(torch.arange(size) / size, torch.arange(size) / size, indexing="ij")
    phase = torch.deg2rad(cameras.azimuth).view(-1, 1, 1) + 5.0 * time.view(-1, 1, 1)
    waves = [0.5 + 0.5 * torch.sin(k * 7.0 * x + 4.0 * y + phase) for k in (1, 2, 3)]
    image = (torch.stack(waves, 1) * 255).round() / 255
    return image, torch.ones_like(image[:, :1])


def test_all_four_scores_are_those_of_transformers_own_code(folder: Path, clip: FolderClip) -> None:
    from transformers import CLIPModel, CLIPProcessor

    pixels = torch.rand(1, 3, 56, 56, generator=torch.Generator().manual_seed(1))
    mask = torch.zeros(1, 1, 56, 56)
    mask[..., 8:48, 8:48] = 1
    reference = make_reference(pixels, mask, mask_marks="subject")
    task = Task("it", CAPTIONS[1], reference, clip, candidates_from(CAPTIONS, "three"), grid=GRID)
    scores = score_scene(frames, None, task)

    model, processor = CLIPModel.from_pretrained(folder).eval(), CLIPProcessor.from_pretrained(folder)

    def encode(images: torch.Tensor) -> torch.Tensor:
        pil = [Image.fromarray((i.permute(1, 2, 0) * 255).round().byte().numpy()) for i in images]
        values = processor(images=pil, text=list(CAPTIONS), return_tensors="pt", padding=True)
        with torch.no_grad():
            out = model(**values)
        return out.image_embeds, out.text_embeds

    cameras = GRID.cameras(reference.camera)
    film = torch.stack([frames(cameras, torch.full((2,), k / 3), 56)[0] for k in range(3)], 1)  # (V, T, 3, S, S)
    embeds, texts = encode(film.flatten(0, 1))
    embeds = embeds.unflatten(0, (2, 3))
    target = encode(reference.composite(56))[0][0]
    cosines = embeds @ texts.T
    expected = {
        "clip_r": (cosines.argmax(-1) == 1).float().mean(),
        "clip_t": cosines[..., 1].mean(),
        "clip_i": (embeds[0] @ target).mean(),
        "clip_f": torch.stack([embeds[v, k] @ embeds[v, k + 1] for v in range(2) for k in range(2)]).mean(),
    }
    for name, value in expected.items():
        assert scores.figures[name] == pytest.approx(float(value), abs=4e-3), name
    assert len(scores.curves["clip_t"]) == 3 and len(scores.curves["clip_f"]) == 2


def test_another_variant_is_computed_and_labelled(clip: FolderClip) -> None:
    assert clip.label == "ViT of width 32/14 (tiny)" and not clip.is_paper
    scores = score_scene(frames, None, Task("it", clip=clip, grid=GRID))
    assert "clip_f" in scores.figures and "clip_t" not in scores.figures and "clip_i" not in scores.figures
    notes = " ".join(scores.notes)
    assert "Not comparable with the paper's tables: the paper's is OpenAI's ViT-B/32, and the paper's films" in notes
    assert "CLIP-R and CLIP-T were left out" in notes and "no reference image" in notes


def test_the_papers_variant_is_known_by_its_sizes() -> None:
    vision = SimpleNamespace(
        hidden_size=768, num_hidden_layers=12, patch_size=32, image_size=224, hidden_act="quick_gelu"
    )
    config = SimpleNamespace(vision_config=vision, projection_dim=512)
    assert describe_variant(config) == ("ViT-B/32", True)
    vision.hidden_act = "gelu"
    assert describe_variant(config) == ("ViT-B/32 with GELU", False)
    vision.hidden_size, vision.patch_size = 1024, 14
    assert describe_variant(config) == ("ViT-L/14", False)


def test_long_captions_are_cut_and_all_are_unit_vectors(clip: FolderClip) -> None:
    texts = clip.texts(["a cat " * 60, "a"])
    assert texts.shape == (2, tiny_clip.DIM) and torch.allclose(texts.norm(dim=1), torch.ones(2), atol=1e-5)
    images = clip.images(torch.rand(35, 3, 20, 20))
    assert torch.allclose(images.norm(dim=1), torch.ones(35), atol=1e-5)


def broken(folder: Path, target: Path, change: str) -> Path:
    """A copy of the folder with one fault."""
    import shutil

    shutil.copytree(folder, target)
    config = target / "config.json"
    if change == "kind":
        config.write_text(json.dumps(json.loads(config.read_text()) | {"model_type": "siglip"}))
    elif change == "config":
        config.unlink()
    elif change == "weights":
        (target / "model.safetensors").write_bytes((target / "model.safetensors").read_bytes()[:5000])
    elif change == "none":
        (target / "model.safetensors").unlink()
    elif change == "tokens":
        (target / "vocab.json").unlink()
    elif change == "sizes":
        values = json.loads(config.read_text())
        values["vision_config"]["hidden_size"] = 64
        config.write_text(json.dumps(values))
    return target


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("kind", "type 'siglip', not clip"), ("config", "neither config.json nor open_clip_config.json"),
        ("weights", "safetensors"), ("none", "holds no weights"), ("tokens", "has no vocab.json"),
        ("sizes", "does not load"),
    ],
)
def test_a_damaged_folder_is_one_sentence(folder: Path, tmp_path: Path, change: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as error:
        load_clip(broken(folder, tmp_path / "broken", change))
    assert "\n" not in str(error.value) and str(error.value).endswith(".")


def test_what_is_no_folder_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"is no folder: give a whole folder of CLIP, such as "):
        load_clip(tmp_path / "none")


def to_open_clip(folder: Path) -> dict[str, torch.Tensor]:
    """The weights of the tiny CLIP under OpenCLIP's names, renamed here by hand."""
    from safetensors.torch import load_file

    w = load_file(folder / "model.safetensors")
    out = {"logit_scale": w["logit_scale"], "text_projection": w["text_projection.weight"].T,
           "visual.proj": w["visual_projection.weight"].T}
    for side, new in (("text_model.", ""), ("vision_model.", "visual.")):
        out[f"{new}positional_embedding"] = w[f"{side}embeddings.position_embedding.weight"]
        for k in range(2):
            old, block = f"{side}encoder.layers.{k}.", f"{new}transformer.resblocks.{k}."
            for end in ("weight", "bias"):
                out[f"{block}attn.in_proj_{end}"] = torch.cat([w[f"{old}self_attn.{x}_proj.{end}"] for x in "qkv"])
                for a, b in (("self_attn.out_proj", "attn.out_proj"), ("layer_norm1", "ln_1"), ("layer_norm2", "ln_2"),
                             ("mlp.fc1", "mlp.c_fc"), ("mlp.fc2", "mlp.c_proj")):
                    out[f"{block}{b}.{end}"] = w[f"{old}{a}.{end}"]
    for end in ("weight", "bias"):
        out[f"ln_final.{end}"] = w[f"text_model.final_layer_norm.{end}"]
        out[f"visual.ln_pre.{end}"] = w[f"vision_model.pre_layrnorm.{end}"]
        out[f"visual.ln_post.{end}"] = w[f"vision_model.post_layernorm.{end}"]
    out["token_embedding.weight"] = w["text_model.embeddings.token_embedding.weight"]
    out["visual.class_embedding"] = w["vision_model.embeddings.class_embedding"]
    out["visual.conv1.weight"] = w["vision_model.embeddings.patch_embedding.weight"]
    return out


def test_an_open_clip_folder_is_the_same_network(folder: Path, clip: FolderClip, tmp_path: Path) -> None:
    config = tiny_clip.open_clip_config()
    config["vision_cfg"] |= {"width": 32, "head_width": 16}
    other = load_clip(tiny_clip.open_clip(tmp_path / "open", to_open_clip(folder), config))
    images = torch.rand(3, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(other.images(images), clip.images(images), atol=1e-5)
    assert torch.allclose(other.texts(CAPTIONS), clip.texts(CAPTIONS), atol=1e-5)
    assert other.label.startswith("ViT of width 32/14 (open")


def test_open_clips_own_package_computes_the_same(tmp_path: Path) -> None:
    package = pytest.importorskip("open_clip", reason="open_clip_torch is not installed: only this comparison needs it")
    config = tiny_clip.open_clip_config()
    config["text_cfg"]["vocab_size"] = 2 * 44 + 2  # tiny_folders' letters
    torch.manual_seed(0)
    theirs = package.model.CLIP(**config).eval()
    ours = load_clip(tiny_clip.open_clip(tmp_path / "open", theirs.state_dict(), config))
    images = torch.rand(2, 3, 28, 28)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (ours.mean, ours.std))
    ids = ours.tokenizer(list(CAPTIONS), padding="max_length", max_length=77, return_tensors="pt").input_ids
    end = int(ours.tokenizer.eos_token_id)
    padded = torch.where((ids == end).cumsum(1) > 1, torch.zeros_like(ids), ids)  # with zeros behind the end
    with torch.no_grad():
        assert torch.allclose(
            theirs.encode_image((images - mean) / std, normalize=True), ours.images(images), atol=1e-5
        )
        assert torch.allclose(theirs.encode_text(padded, normalize=True), ours.texts(CAPTIONS), atol=1e-5)


def test_an_open_clip_folder_without_weights_or_config_is_one_sentence(folder: Path, tmp_path: Path) -> None:
    config = tiny_clip.open_clip_config()
    made = tiny_clip.open_clip(tmp_path / "open", {"visual.proj": torch.zeros(3, 3)}, config)
    with pytest.raises(ValueError, match="does not hold a CLIP with a plain ViT"):
        load_clip(made)
    (made / "open_clip_model.safetensors").unlink()
    with pytest.raises(ValueError, match="has none of open_clip_model.safetensors"):
        load_clip(made)
    (made / "open_clip_config.json").write_text("{}")
    with pytest.raises(ValueError, match="has no model_cfg"):
        load_clip(made)
