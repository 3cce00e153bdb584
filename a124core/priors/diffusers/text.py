"""Encode a prompt with a folder's text encoder: plain and from three sides, with learned embeddings in it."""

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
from .checks import check_embedding_dim
from .denoiser import Conditioner, Conditioning
from .load import load_tokenizer, load_transformer
from .offload import collect

PLACEHOLDER = "<token>"  # stands in a prompt for the one learned embedding (release)
Embeddings = Mapping[str, Tensor]  # learned ones by name, each (n, d); "" where a file names none
Tokens = list["int | Tensor"]  # token ids, and (n, d) rows where learned embeddings stand


@dataclass(frozen=True)
class TextEncoder:
    """Tokenizer and CLIP text model; both are dropped when the prompts are encoded."""

    tokenizer: Any
    model: nn.Module
    pad_id: int  # fills a text up to max_length

    @property
    def max_length(self) -> int:
        return int(self.model.config.max_position_embeddings)

    @property
    def dim(self) -> int:
        return int(self.model.config.hidden_size)

    @property
    def token_embedding(self) -> nn.Module:
        return self.model.get_input_embeddings()

    def token_ids(self, text: str) -> list[int]:
        """Return the ids of the text alone, without begin and end."""
        return list(self.tokenizer(text, add_special_tokens=False).input_ids)

    def tokens(self, prompt: str, embeddings: Embeddings) -> Tokens:
        """Return the tokens of a prompt; embeddings are written <token> (if there is one), embedding:name or _name_."""
        if not embeddings:
            return list(self.token_ids(prompt))
        spellings, tokens = _spellings(embeddings), []
        for piece in re.split(f"({'|'.join(map(re.escape, spellings))})", prompt):
            if piece in spellings:
                tokens.append(embeddings[spellings[piece]])
            elif piece.strip():
                tokens += self.token_ids(piece)
        return tokens

    def encode(self, texts: Sequence[Tokens]) -> Tensor:  # (B, max_length, d)
        """Encode texts, cut or padded to max_length; embeddings among their tokens keep their gradient."""
        rows = [self._padded(tokens) for tokens in texts]
        table = self.token_embedding
        ids = torch.tensor(
            [[self.pad_id if isinstance(t, Tensor) else t for t in row] for row in rows], device=table.weight.device
        )

        def replace_embeddings(module: nn.Module, args: tuple, found: Tensor) -> Tensor:
            return torch.stack([
                torch.stack([t.to(found) if isinstance(t, Tensor) else found[b, k] for k, t in enumerate(row)])
                for b, row in enumerate(rows)
            ])

        if not any(isinstance(t, Tensor) for row in rows for t in row):
            return self.model(ids)[0]
        hook = table.register_forward_hook(replace_embeddings)
        try:
            return self.model(ids)[0]
        finally:
            hook.remove()

    def _padded(self, tokens: Tokens) -> Tokens:
        """Return begin, the tokens (one entry for each row of an embedding), end and padding: max_length in all."""
        inner = [row for t in tokens for row in (t if isinstance(t, Tensor) else [t])][: self.max_length - 2]
        whole = [self.tokenizer.bos_token_id, *inner, self.tokenizer.eos_token_id]
        return whole + [self.pad_id] * (self.max_length - len(whole))


def load_text_encoder(folder: Path, unet: dict[str, Any]) -> TextEncoder:
    """Return the encoder of the folders text_encoder and tokenizer, whose embeddings fit the UNet."""
    tokenizer = load_tokenizer(folder)
    pad_id = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    encoder = TextEncoder(tokenizer, load_transformer(folder, "text_encoder", "CLIPTextModel"), int(pad_id))
    check_embedding_dim(folder, unet, encoder.dim)
    return encoder


def _spellings(embeddings: Embeddings) -> dict[str, str]:
    """Return spelling -> name, the longest first. A bare name counts only where it is no ordinary word."""
    spellings = {PLACEHOLDER: next(iter(embeddings))} if len(embeddings) == 1 else {}
    for name in filter(None, embeddings):
        spellings |= {f"embedding:{name}": name} | ({} if name.isalnum() else {name: name})
    return dict(sorted(spellings.items(), key=lambda item: -len(item[0])))


def check_embeddings(embeddings: Embeddings, prompt: str, dim: int) -> None:
    """Check that the embeddings have the encoder's dimensions, and that the prompt uses one."""
    for name, rows in embeddings.items():
        if rows.shape[-1] != dim:
            raise ValueError(
                f"the learned embedding {name or PLACEHOLDER!r} has {rows.shape[-1]} dimensions, but this text "
                f"encoder's have {dim}: use one that was learned with the same model (SD 1.x 768, SD 2 1024)."
            )
    if embeddings and not any(spelling in prompt for spelling in _spellings(embeddings)):
        names = [PLACEHOLDER] if len(embeddings) == 1 else list(filter(None, embeddings))
        raise ValueError(
            f'the prompt "{prompt}" does not use the learned embedding: write {", ".join(names)} in the place of the '
            f'subject, as in "a {names[0]} is dancing".'
        )


class ViewText(Conditioner):
    """The text conditioning of one prompt, which may name the side that the camera sees."""

    def __init__(self, conds: dict[str, Tensor]) -> None:
        self.conds = conds  # (1, L, d) by name: "plain", "negative" and SIDES

    def __call__(self, view: View, x_t: Tensor) -> Conditioning:
        """Blend the sides for every image by the azimuth of its camera; a clip is one item."""
        items = x_t.shape[0]
        cond = self.conds["plain"].expand(items, -1, -1)
        if view.view_text:
            weights = view_weights(view.cameras.azimuth - view.reference.azimuth)
            weights = weights if len(weights) == items else weights[:1].expand(items, -1)
            sides = torch.cat([self.conds[side] for side in SIDES])
            cond = torch.einsum("bn,nld->bld", weights.to(sides), sides)
        return Conditioning(cond, self.conds["negative"].expand(items, -1, -1))


@torch.no_grad()
def encode_prompt(
    encoder: TextEncoder, prompt: str, suffix: str, negative: str = "", embeddings: Embeddings | None = None
) -> ViewText:
    """Encode a prompt with its suffix, plain and with each side appended, and the negative prompt."""
    embeddings = embeddings or {}
    check_embeddings(embeddings, prompt, encoder.dim)
    base = f"{prompt.strip()}{suffix}"
    texts = {"plain": base, **{side: f"{base}, {side}" for side in SIDES}}
    conds = {name: encoder.encode([encoder.tokens(text, embeddings)]) for name, text in texts.items()}
    return ViewText(conds | {"negative": encoder.encode([encoder.token_ids(negative)])})


def load_view_text(
    folder: Path, unet: dict[str, Any], prompt: str, suffix: str, negative: str, embeddings: Embeddings | None = None
) -> ViewText:
    """Encode a prompt with the folder's text encoder, which is dropped at once."""
    text = encode_prompt(load_text_encoder(folder, unet), prompt, suffix, negative, embeddings)
    collect()
    return text
