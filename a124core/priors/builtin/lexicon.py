"""The forms of one language's words: inflected verbs, plurals, spellings without accents."""

from __future__ import annotations

import re
import unicodedata
from functools import cached_property

from .vocabulary import IRREGULAR, Language

PUNCTUATION = frozenset(",.;:!?")


def plain(text: str) -> str:
    """Return text in lower case, compatibility forms replaced and Latin letters without accents."""
    text = unicodedata.normalize("NFKC", text).casefold().replace("\u2019", "'")
    return "".join(unicodedata.normalize("NFKD", c)[0] if "\u00c0" <= c < "\u0250" else c for c in text)


class Lexicon:
    """Forms of one language's words, looked up by token."""

    def __init__(self, language: Language, english: bool) -> None:
        self.language, self.english = language, english

    @cached_property
    def verbs(self) -> dict[str, tuple[str | None, str, str]]:
        """Map a form to its motion, its kind (finite, infinitive, participle, base) and its entry in the table."""
        forms: dict[str, tuple[str | None, str, str]] = {}
        tables = [*self.language.motions.items(), (None, self.language.other_verbs)]
        for motion, entries in tables:
            for entry in entries.split():
                for form, kind in self._english(entry) if self.english else self._endings(entry):
                    forms.setdefault(form, (motion, kind, entry))
        return forms

    @cached_property
    def hints(self) -> dict[str, str]:
        return {plain(e): motion for motion, entries in self.language.hints.items() for e in entries.split()}

    @cached_property
    def subjects(self) -> dict[str, str]:
        """Map every form of a subject's nouns to the subject."""
        endings = ("", *self.language.plurals.split())
        rows = self.language.subjects.items()
        return {f + e: name for name, entries in rows for n in entries.split() for f in _spellings(n) for e in endings}

    @cached_property
    def phrases(self) -> frozenset[str]:
        """Return all entries of more than one word."""
        texts = [*self.subjects, *self.set("negations"), *self.verbs]
        return frozenset(entry for entry in texts if "_" in entry)

    def set(self, name: str) -> frozenset[str]:
        """Return one of the language's lists, spelt plainly."""
        return self._sets[name]

    @cached_property
    def _sets(self) -> dict[str, frozenset[str]]:
        fields = {k: v for k, v in vars(self.language).items() if isinstance(v, str)}
        sets = {k: frozenset(form for entry in v.split() for form in _spellings(entry)) for k, v in fields.items()}
        stems = [form for entry in fields["reversers"].split() for form, _ in self._endings(entry)]
        return sets | {"reversers": frozenset(stems)}

    @cached_property
    def stopwords(self) -> frozenset[str]:
        """Return the words that are neither nouns nor verbs."""
        names = ("negations", "breaks", "subordinators", "articles", "prepositions", "adjectives", "adverbs")
        return frozenset().union(*(self.set(n) for n in (*names, "auxiliaries", "be"))) | {"and", "or", "nor"}

    def tokens(self, prompt: str) -> list[str]:
        """Split a prompt into words and punctuation; a phrase of the tables becomes one token with underscores."""
        text = re.sub(r"[.:;!?]", lambda m: f" {m[0]} ", plain(prompt))
        parts = re.findall(r"[a-z]+n't|[a-z]+(?:-[a-z]+)*|[,.;:!?]", text)
        tokens: list[str] = []
        while parts:
            length = next((n for n in (3, 2) if "_".join(parts[:n]) in self.phrases), 1)
            tokens.append("_".join(parts[:length]))
            parts = parts[length:]
        return tokens

    def score(self, prompt: str) -> int:
        """Count the tokens that the language knows."""
        known = (self.stopwords, self.verbs, self.subjects, self.hints)
        return sum(t not in PUNCTUATION and any(t in table for table in known) for t in self.tokens(prompt))

    def _english(self, base: str) -> list[tuple[str, str]]:
        """Return the forms of an English verb with their kinds."""
        short = re.fullmatch(r"[^aeiou]*[aeiou][^aeiouwxy]", base)
        stem = base + base[-1] if short else base[:-1] if base.endswith("e") else base
        ending = "ied" if re.search(r"[^aeiou]y$", base) else "ed"
        third = base[:-1] + "ies" if ending == "ied" else base + ("es" if re.search(r"(s|x|z|ch|sh)$", base) else "s")
        past = (base[:-1] if ending == "ied" else stem) + ending
        irregular = [(f, "participle" if f.endswith("ing") and f != "spring" else "past")
                     for f in IRREGULAR.get(base, "").split()]
        return [(base, "base"), (third, "finite"), (stem + "ing", "participle"), (past, "past"), *irregular]

    def _endings(self, entry: str) -> list[tuple[str, str]]:
        """Return the forms of an entry; a stem ends with a hyphen and takes the language's endings."""
        if not entry.endswith("-"):
            return [(form, "finite") for form in _spellings(entry)]
        kinds = [(kind, e) for kind in ("finite", "infinitive", "participle") for e in ["", *self._of(kind)]]
        return [(f + plain(e), kind) for kind, e in kinds if e for f in _spellings(entry[:-1])]

    def _of(self, kind: str) -> list[str]:
        return getattr(self.language, kind).split()


def _spellings(entry: str) -> tuple[str, ...]:
    """Return an entry without accents and, where it has umlauts, with a, o, u followed by e."""
    umlauts = entry.translate({ord("ä"): "ae", ord("ö"): "oe", ord("ü"): "ue"})
    return (plain(entry),) if umlauts == entry else (plain(entry), plain(umlauts))
