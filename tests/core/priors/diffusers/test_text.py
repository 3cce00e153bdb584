"""Prompts through a folder's text encoder, with learned embeddings in the place of words."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from a124core.priors.diffusers.text import TextEncoder, encode_prompt, load_text_encoder
from a124core.protocols import View
from tests.tiny_folders import FOLDERS, WIDTH


@pytest.fixture(scope="module")
def encoder(models: Path) -> TextEncoder:
    return load_text_encoder(models / FOLDERS["image"], {"cross_attention_dim": WIDTH})


@torch.no_grad()
@pytest.mark.parametrize("text", ["", "a panda", "a panda, " * 40])
def test_a_text_is_padded_as_by_the_tokenizer_itself(encoder: TextEncoder, text: str) -> None:
    """Begin, words, end, padding, 77 in all; what does not fit is cut."""
    options = {"padding": "max_length", "max_length": 77, "truncation": True, "return_tensors": "pt"}
    ids = encoder.tokenizer(text, **options).input_ids
    assert torch.equal(encoder.encode([encoder.tokens(text, {})]), encoder.model(ids)[0])


@torch.no_grad()
@pytest.mark.parametrize("spelling", ["<token>", "embedding:_fox_", "_fox_"])
def test_a_learned_embedding_stands_where_it_is_written(encoder: TextEncoder, spelling: str) -> None:
    """Learned rows that are those of "pq" in the vocabulary: the text is the one with "p q" in it."""
    rows = encoder.token_embedding.weight[encoder.token_ids("p q")]
    found = encoder.encode([encoder.tokens(f"a {spelling} is b", {"_fox_": rows})])
    assert torch.allclose(found, encoder.encode([encoder.tokens("a p q is b", {})]), atol=1e-6)
    assert not torch.allclose(found, encoder.encode([encoder.tokens("a is b", {})]), atol=1e-3)


def test_a_plain_word_is_not_taken_for_an_embedding(encoder: TextEncoder) -> None:
    assert encoder.tokens("a foxglove", {"fox": torch.zeros(1, 32)}) == encoder.token_ids("a foxglove")


def test_the_vocabulary_and_the_encoder_are_left_as_they_were(encoder: TextEncoder) -> None:
    before = encoder.token_embedding.weight.clone()
    encoder.encode([encoder.tokens("a <token>", {"": torch.randn(3, 32)})])
    assert torch.equal(encoder.token_embedding.weight, before) and not encoder.token_embedding._forward_hooks


def test_the_side_is_named_unless_the_camera_moves(encoder: TextEncoder, view: View) -> None:
    from dataclasses import replace

    text = encode_prompt(encoder, "a panda", ", 8k")
    conds = text.conds
    assert torch.equal(conds["side view"], encoder.encode([encoder.token_ids("a panda, 8k, side view")]))
    x_t = torch.zeros(3, 4, 8, 8)
    moving = text(replace(view, view_text=False), x_t)
    assert torch.equal(moving.cond, conds["plain"].expand(3, -1, -1))
    still = text(view, x_t)
    assert torch.allclose(still.cond[0], conds["front view"][0], atol=1e-6)
    mixed = conds["front view"] / 3 + conds["side view"] * 2 / 3  # 60 degrees
    assert torch.allclose(still.cond[1], mixed[0], atol=1e-5)
    clip = text(view, torch.zeros(1, 4, 3, 8, 8))
    assert clip.cond.shape == (1, 77, 32) and torch.equal(clip.uncond, conds["negative"])
