"""A folder's config.json, and the weights of single files, are compared before memory is taken for them."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from a124core.priors.diffusers.load import LOADED, load_part, load_transformer
from a124core.priors.diffusers.original import build_text, build_vae, build_vision
from a124core.priors.noise import sigma_table
from tests import tiny_folders
from tests import tiny_originals as original


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tiny_folders.tiny_vae(tmp_path)
    tiny_folders.text(tmp_path, 1)
    return tmp_path


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"num_encoder_blocks": [10**6, 1]}, "layers or more"), ({"latent_channels": 10**9}, "larger than in any"),
        ({"encoder_block_out_channels": [2**18, 2**18]}, "describes .* numbers, but the weights hold"),
        ({"encoder_block_out_channels": "many"}, "does not load"), ({"act_fn": {"a": 1}}, "does not load"),
        ({"encoder_block_out_channels": [8] * 100}, "100 items"), ({"scaling_factor": float("nan")}, "larger than"),
    ],
)
def test_a_config_that_describes_another_network_is_refused_at_once(folder: Path, changes: dict, words: str) -> None:
    LOADED.clear()
    edit(folder / "vae" / "config.json", **changes)
    start = time.perf_counter()
    with pytest.raises(ValueError, match=words) as refused:
        load_part(folder, "vae", "AutoencoderTiny")
    assert time.perf_counter() - start < 5 and "\n" not in str(refused.value)


def test_a_text_encoder_larger_than_its_weights_is_refused(folder: Path) -> None:
    edit(folder / "text_encoder" / "config.json", hidden_size=2**16)
    with pytest.raises(ValueError, match="the weights hold|does not load"):
        load_transformer(folder, "text_encoder", "CLIPTextModel")
    edit(folder / "text_encoder" / "config.json", hidden_size=32, num_hidden_layers=10**5)
    with pytest.raises(ValueError, match="layers or more"):
        load_transformer(folder, "text_encoder", "CLIPTextModel")
    edit(folder / "text_encoder" / "config.json", architectures={"a": 1})
    with pytest.raises(ValueError, match="of an unknown kind"):
        load_transformer(folder, "text_encoder", "CLIPTextModel")


def test_original_weights_of_other_shapes_are_one_sentence(tmp_path: Path) -> None:
    vae, vision = original.vae(original.tiny_vae()), original.tiny_vision().state_dict()
    wide = torch.zeros(20_000, 1, 1, 1)  # of a network with 20,000 x 20,000 x 9 numbers
    text = dict(original.tiny_text(tmp_path).state_dict())
    for build, weights, change in (
        (build_vae, vae, {"encoder.down.0.block.0.conv1.weight": wide}), (build_vae, vae, {"quant_conv.weight": None}),
        (build_vision, vision, {"conv1.weight": torch.zeros(3)}), (build_vision, vision, {"proj": None}),
        (build_text, text, {"token_embedding.weight": torch.zeros(())}), (build_text, {}, {}),
    ):
        changed = {n: w for n, w in {**weights, **change}.items() if w is not None}
        with pytest.raises(ValueError, match="weights (do not fit|are incomplete)") as refused:
            build(changed)
        assert "\n" not in str(refused.value) and len(str(refused.value)) < 500


@pytest.mark.parametrize(
    "config",
    [
        {"num_train_timesteps": 10**12}, {"num_train_timesteps": "1000"}, {"num_train_timesteps": 0},
        {"beta_start": -1}, {"beta_end": float("nan")}, {"trained_betas": "x"}, {"trained_betas": [2.0]},
        {"trained_betas": [[0.1]]}, {"beta_end": 1.0}, {"prediction_type": ["epsilon"]}, {"beta_schedule": {}},
        {"_class_name": "FlowMatchEuler", "shift": None},
    ],
)
def test_schedules_that_are_none_are_refused(config: dict) -> None:
    with pytest.raises(ValueError, match="the scheduler's"):
        sigma_table(config)
