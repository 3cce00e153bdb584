"""A prompt through a folder's text encoder: plain and from three sides, with learned words in it, encoded once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...protocols import View
from ..view_text import SIDES, view_weights
from .denoiser import Told
from .load import text_encoder, tokenizer
from .offload import collect

PLACEHOLDER = "<token>"  # stands in a prompt for the one learned word (release)
Words = Mapping[str, Tensor]  # learned words by name, each (n, d); "" where a file names none
Ids = list["int | Tensor"]  # token ids, and (n, d) rows where learned words stand


@dataclass(frozen=True)
class Reader:
    """Tokenizer and text encoder, as long as prompts are being read."""

    tokenizer: Any
    encoder: nn.Module
    pad: int  # the id that fills a text up to its length

    @property
    def length(self) -> int:
        return int(self.encoder.config.max_position_embeddings)

    @property
    def width(self) -> int:
        return int(self.encoder.config.hidden_size)

    def ids(self, text: str) -> list[int]:
        """Of the words alone, without begin and end."""
        return list(self.tokenizer(text, add_special_tokens=False).input_ids)

    def table(self) -> nn.Module:
        return self.encoder.get_input_embeddings()


def reader(folder: Path) -> Reader:
    """The two folders text_encoder and tokenizer."""
    words = tokenizer(folder)
    pad = words.pad_token_id if words.pad_token_id is not None else words.eos_token_id
    return Reader(words, text_encoder(folder), int(pad))


def encoded(reader: Reader, ids: Sequence[Ids]) -> Tensor:  # (B, length, d)
    """Token ids, cut or filled to the length the encoder knows. Rows take their words' places, with their gradient."""
    table, rows = reader.table(), [_filled(reader, row) for row in ids]
    device = table.weight.device
    numbers = torch.tensor([[reader.pad if isinstance(i, Tensor) else i for i in row] for row in rows], device=device)

    def placed(module: nn.Module, given: tuple, found: Tensor) -> Tensor:
        fixed = [torch.stack([_at(row[k], found[b, k]) for k in range(len(row))]) for b, row in enumerate(rows)]
        return torch.stack(fixed)

    if not any(isinstance(i, Tensor) for row in rows for i in row):
        return reader.encoder(numbers)[0]
    hook = table.register_forward_hook(placed)
    try:
        return reader.encoder(numbers)[0]
    finally:
        hook.remove()


def _at(word: int | Tensor, found: Tensor) -> Tensor:
    return word.to(found) if isinstance(word, Tensor) else found


def _filled(reader: Reader, ids: Ids) -> Ids:
    """Begin, the words (one entry for each row of a learned one), end, padding: exactly the encoder's length."""
    words: Ids = []
    for entry in ids:
        words += list(entry) if isinstance(entry, Tensor) else [entry]
    begin, end = reader.tokenizer.bos_token_id, reader.tokenizer.eos_token_id
    whole = [begin, *words[: reader.length - 2], end]
    return whole + [reader.pad] * (reader.length - len(whole))


def prompt_ids(reader: Reader, text: str, words: Words) -> Ids:
    """The ids of a prompt; learned words are written <token> (where there is one), embedding:name or _name_."""
    if not words:
        return list(reader.ids(text))
    found: Ids = []
    spots = _spots(words)
    for piece in re.split(f"({'|'.join(map(re.escape, spots))})", text):
        if piece in spots:
            found.append(words[spots[piece]])
        elif piece.strip():
            found += reader.ids(piece)
    return found


def _spots(words: Words) -> dict[str, str]:
    """How each word may be written, the longest way first. By its bare name only where that is no word by itself."""
    spots = {PLACEHOLDER: next(iter(words))} if len(words) == 1 else {}
    for name in filter(None, words):
        spots |= {f"embedding:{name}": name} | ({} if name.isalnum() else {name: name})
    return dict(sorted(spots.items(), key=lambda item: -len(item[0])))


def check_words(words: Words, prompt: str, width: int) -> None:
    """Words as wide as the encoder's own, each of which the prompt uses."""
    for name, rows in words.items():
        if rows.shape[-1] != width:
            raise ValueError(
                f"the learned word {name or PLACEHOLDER!r} is {rows.shape[-1]} wide, but this text encoder's words are "
                f"{width}: use a word that was learned with the same model (SD 1.x 768, SD 2 1024)."
            )
    if words and not any(spot in prompt for spot in _spots(words)):
        ways = PLACEHOLDER if len(words) == 1 else ", ".join(filter(None, words))
        raise ValueError(
            f'the prompt "{prompt}" does not use the learned word: write {ways} in the place of the subject, as in '
            f'"a {ways.split(",")[0]} is dancing".'
        )


class ViewText:
    """What one prompt says, plain and from the three sides; the negative prompt is empty unless one is given."""

    def __init__(self, conds: dict[str, Tensor]) -> None:
        self.conds = conds  # (1, L, d) by name: "plain", "negative" and SIDES

    def at(self, view: View, x_t: Tensor) -> Told:
        """The sides mixed for every picture by where its camera is; a clip is one item."""
        items = x_t.shape[0]
        cond = self.conds["plain"].expand(items, -1, -1)
        if view.view_text:
            weights = view_weights(view.cameras.azimuth - view.reference.azimuth)
            weights = weights if len(weights) == items else weights[:1].expand(items, -1)
            sides = torch.cat([self.conds[side] for side in SIDES])
            cond = torch.einsum("bn,nld->bld", weights.to(sides), sides)
        return Told(cond, self.conds["negative"].expand(items, -1, -1))


@torch.no_grad()
def read_prompt(
    reader: Reader, prompt: str, suffix: str, negative: str = "", words: Words | None = None
) -> dict[str, Tensor]:
    """The conditionings of one prompt, (1, L, d) each."""
    words = words or {}
    check_words(words, prompt, reader.width)
    base = f"{prompt.strip()}{suffix}"
    texts = {"plain": base, **{side: f"{base}, {side}" for side in SIDES}}
    found = {name: encoded(reader, [prompt_ids(reader, text, words)]) for name, text in texts.items()}
    return found | {"negative": encoded(reader, [reader.ids(negative)])}


def view_text(
    folder: Path, prompt: str, suffix: str, negative: str = "", words: Words | None = None
) -> tuple[ViewText, int]:
    """The prompt as the folder's encoder reads it, and how wide. The encoder is dropped at once."""
    reads = reader(folder)
    conds, width = read_prompt(reads, prompt, suffix, negative, words), reads.width
    del reads
    collect()
    return ViewText(conds), width
