"""Subjects and verbs in Chinese and Japanese, which put no spaces between words: the longest entry at each place."""

from __future__ import annotations

import re

from .languages import CHINESE, JAPANESE
from .lexicon import plain
from .verbs import BASE, FINITE, HINT, PARTICIPLE, Verb
from .vocabulary import Language

CHARACTERS = re.compile("[\u3040-\u30ff\u3400-\u9fff]")
KANA = re.compile("[\u3040-\u30ff]")
DENIED = re.compile("[\u3041-\u3096]{0,4}?(ない|なかった|ません|ずに|ず(?!っ)|ぬ)")  # after a Japanese stem

Piece = tuple[int, str, str, str]  # position, kind of entry, its name, its text


def reads(prompt: str) -> bool:
    """Check whether a prompt has Chinese or Japanese characters."""
    return bool(CHARACTERS.search(prompt))


class CharacterSentence:
    """The entries of one prompt, in the order of the text."""

    def __init__(self, prompt: str) -> None:
        self.text = plain(prompt)
        self.is_japanese = bool(KANA.search(self.text))
        self.language = JAPANESE if self.is_japanese else CHINESE
        self.pieces = _pieces(self.text, _entries(self.language))

    def subject(self) -> str | None:
        """Return the first subject."""
        return next((name for _, kind, name, _ in self.pieces if kind == "subject"), None)

    def verbs(self) -> list[Verb]:
        """Return all candidates; of two Japanese ones the later is the main verb."""
        verbs, denied = [], False
        for k, (start, kind, name, text) in enumerate(self.pieces):
            if kind == "negation" and not self.is_japanese:
                denied = True
            elif kind == "break":
                denied = False
            elif kind in ("motion", "other", "hint"):
                rank = HINT if kind == "hint" else PARTICIPLE if self._is_attribute(k) else FINITE
                is_denied = denied or (self.is_japanese and bool(DENIED.match(self.text, start + len(text))))
                place = -start if self.is_japanese else start
                verbs.append(Verb(text, name or None, max(rank, HINT if kind == "hint" else BASE), place, is_denied))
        return verbs

    def _is_attribute(self, k: int) -> bool:
        """Check whether the entry k only describes what follows: 的 or ながら behind it."""
        end = self.pieces[k][0] + len(self.pieces[k][3])
        following = self.text[end : end + 4]
        return any(following.find(mark) in ((0, 1) if self.is_japanese else (0,))
                   for mark in self.language.subordinators.split())


def _entries(language: Language) -> dict[str, tuple[str, str]]:
    """Map each entry's text to its kind and name."""
    entries = {e: ("compound", "") for e in language.compounds.split()}
    tables = (("subject", language.subjects), ("motion", language.motions), ("hint", language.hints))
    for kind, table in tables:
        entries |= {plain(e): (kind, name) for name, texts in table.items() for e in texts.split() if e not in entries}
    for kind, texts in (("other", language.other_verbs), ("negation", language.negations), ("break", language.breaks)):
        entries |= {plain(e): (kind, "") for e in texts.split() if e not in entries}
    return entries


def _pieces(text: str, entries: dict[str, tuple[str, str]]) -> list[Piece]:
    """Cut a text into the longest entries from the left; characters of no entry are passed over."""
    pieces, at, longest = [], 0, max(map(len, entries))
    while at < len(text):
        size = next((n for n in range(longest, 0, -1) if text[at : at + n] in entries), 0)
        if size:
            pieces.append((at, *entries[text[at : at + size]], text[at : at + size]))
        at += size or 1
    return pieces
