"""Prompts as a folder's text encoder reads them, with learned words in the place of others."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from a124core.priors.diffusers.text import Reader, ViewText, encoded, prompt_ids, read_prompt, reader
from a124core.protocols import View


@pytest.fixture(scope="module")
def reads(models: Path) -> Reader:
    return reader(models / "stable-diffusion-v1-5")


@torch.no_grad()
@pytest.mark.parametrize("text", ["", "a panda", "a panda, " * 40])
def test_a_text_is_read_as_the_tokenizer_itself_would(reads: Reader, text: str) -> None:
    """Begin, words, end, padding, 77 in all; what does not fit is cut."""
    theirs = reads.tokenizer(text, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids
    assert torch.equal(encoded(reads, [prompt_ids(reads, text, {})]), reads.encoder(theirs)[0])


@torch.no_grad()
@pytest.mark.parametrize("spot", ["<token>", "embedding:_fox_", "_fox_"])
def test_a_learned_word_stands_where_it_is_written(reads: Reader, spot: str) -> None:
    """Learned rows that are those of "pq" in the vocabulary: the text is the one with "p q" in it."""
    rows = reads.table().weight[reads.ids("p q")]
    found = encoded(reads, [prompt_ids(reads, f"a {spot} is b", {"_fox_": rows})])
    assert torch.allclose(found, encoded(reads, [prompt_ids(reads, "a p q is b", {})]), atol=1e-6)
    assert not torch.allclose(found, encoded(reads, [prompt_ids(reads, "a is b", {})]), atol=1e-3)


def test_a_plain_word_is_not_taken_for_a_learned_one(reads: Reader) -> None:
    assert prompt_ids(reads, "a foxglove", {"fox": torch.zeros(1, 32)}) == reads.ids("a foxglove")


def test_the_vocabulary_and_the_encoder_are_left_as_they_were(reads: Reader) -> None:
    before = reads.table().weight.clone()
    encoded(reads, [prompt_ids(reads, "a <token>", {"": torch.randn(3, 32)})])
    assert torch.equal(reads.table().weight, before) and not reads.table()._forward_hooks


def test_a_standing_camera_reads_the_side_and_a_moving_one_does_not(reads: Reader, seen: View) -> None:
    from dataclasses import replace

    conds = read_prompt(reads, "a panda", ", 8k")
    assert torch.equal(conds["side view"], encoded(reads, [reads.ids("a panda, 8k, side view")]))
    text, x_t = ViewText(conds), torch.zeros(3, 4, 8, 8)
    moving = text.at(replace(seen, view_text=False), x_t)
    assert torch.equal(moving.cond, conds["plain"].expand(3, -1, -1))
    still = text.at(seen, x_t)
    assert torch.allclose(still.cond[0], conds["front view"][0], atol=1e-6)
    mixed = conds["front view"] / 3 + conds["side view"] * 2 / 3  # 60 degrees
    assert torch.allclose(still.cond[1], mixed[0], atol=1e-5)
    clip = text.at(seen, torch.zeros(1, 4, 3, 8, 8))
    assert clip.cond.shape == (1, 77, 32) and torch.equal(clip.uncond, conds["negative"])
