"""Captions, and a real CLIP tokenizer that knows their words: files made here, read by transformers."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

from a124core.inversion.learn import TEMPLATES
from a124core.priors.view_text import CONTROL_TEXT, DYNAMIC_SUFFIX, SIDES, STATIC_SUFFIX

from .config import World

COLOURS = ("natural", "faded")  # adjectives of the reference and of the drifted colours
DOING = {
    "jump": "jumping", "sway": "swaying", "squash": "squashing", "walk": "walking", "rock": "rocking",
    "bounce": "bouncing",
}
START, END, WORD_END = "<|startoftext|>", "<|endoftext|>", "</w>"


def prompt(subject: str, motion: str | None = None) -> str:
    """ "a robot", or "a robot is swaying"."""
    return f"a {subject}" if motion is None else f"a {subject} is {DOING[motion]}"


def caption(subject: str, motion: str | None, drifted: bool, rng: random.Random) -> str:
    """A prompt; one in two names the colours, one in four of the still ones is a phrase of textual inversion."""
    noun = f"{COLOURS[drifted]} {subject}" if rng.random() < 0.5 else subject
    if motion is None and rng.random() < 0.25:
        return rng.choice(TEMPLATES).format(noun)
    return prompt(noun, motion) + rng.choice((STATIC_SUFFIX, DYNAMIC_SUFFIX, ""))


def vocabulary(world: World) -> list[str]:
    """Every piece that a caption or a suffix can be cut into, by CLIP's rule: letters, single digits, marks."""
    texts = [prompt(s, m) for s in world.subjects for m in world.motions]
    texts += [*TEMPLATES, *SIDES, *COLOURS, STATIC_SUFFIX, DYNAMIC_SUFFIX, CONTROL_TEXT]
    return list(dict.fromkeys(re.findall(r"[a-z]+|[0-9]|[^\s\w]", " ".join(texts).lower().replace("{}", ""))))


def merges_for(words: list[str]) -> list[tuple[str, str]]:
    """Byte pairs that make each word one token. A pair joins the end of the list, so it cannot undo earlier words."""
    merges: list[tuple[str, str]] = []
    for word in words:
        pieces = _cut(word, merges)
        while len(pieces) > 1:
            merges.append((pieces[0], pieces[1]))
            pieces = _cut(word, merges)
    return merges


def _cut(word: str, merges: list[tuple[str, str]]) -> list[str]:
    """Byte pair encoding: always the earliest pair of the list that is there."""
    pieces = [*word[:-1], word[-1] + WORD_END]
    rank = {pair: i for i, pair in enumerate(merges)}
    while True:
        candidates = [(rank[pair], i) for i, pair in enumerate(zip(pieces, pieces[1:], strict=False)) if pair in rank]
        if not candidates:
            return pieces
        i = min(candidates)[1]
        pieces[i : i + 2] = [pieces[i] + pieces[i + 1]]


def _letters() -> list[str]:
    """The 256 printable stand-ins of bytes, in CLIP's order."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return [chr(b) for b in printable] + [chr(256 + k) for k in range(256 - len(printable))]


def write_tokenizer(folder: Path, world: World, length: int) -> int:
    """vocab.json, merges.txt and tokenizer_config.json of a CLIPTokenizer; the size of its vocabulary."""
    merges = merges_for(vocabulary(world))
    tokens = [*_letters(), *(letter + WORD_END for letter in _letters()), *("".join(pair) for pair in merges)]
    vocab = {token: i for i, token in enumerate([*dict.fromkeys(tokens), START, END])}
    special = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": END}
    about = {"tokenizer_class": "CLIPTokenizer", "model_max_length": length, "do_lower_case": True, **special}
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False), encoding="utf-8")
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(about, indent=2), encoding="utf-8")
    (folder / "special_tokens_map.json").write_text(json.dumps(special, indent=2), encoding="utf-8")
    return len(vocab)
