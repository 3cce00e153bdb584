"""Which words of a sentence are verbs: candidates by form and neighbours, in spaced languages."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .lexicon import PUNCTUATION, Lexicon, plain
from .vocabulary import WEAK

HINT, NOUN, BASE, ATTRIBUTE, PARTICIPLE, FINITE = range(6)  # how much a candidate looks like the main verb
SUBORDINATE = 2  # ranks that the verb of a subordinate clause gives way
LOCAL = frozenset({"without", "instead_of", "rather_than", "sans", "au_lieu_de", "plutot_que", "ohne", "statt",
                   "anstatt", "sin", "en_vez_de", "en_lugar_de"})  # negate the next verb alone
ONLY = frozenset({"only", "just", "merely", "nur", "solo", "seulement"})  # "not only" denies nothing
AFTER_VERB = frozenset({"nicht", "nie", "niemals"})
AND = frozenset({"and", "or", "et", "ou", "und", "oder", "y", "e", "o"})


@dataclass(frozen=True)
class Verb:
    """One candidate for the verb that a prompt animates."""

    token: str
    motion: str | None  # None: a verb without a motion
    rank: int  # HINT .. FINITE
    position: int
    negated: bool = False


class Sentence:
    """The tokens of one prompt in one language, and the verbs among them."""

    def __init__(self, prompt: str, lexicon: Lexicon) -> None:
        self.lexicon = lexicon
        self.tokens = lexicon.tokens(prompt)
        self.written = {plain(w): w for w in re.findall(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*", prompt)}

    def verbs(self) -> list[Verb]:
        """Return all candidates of the tables, in the order of the text."""
        candidates = []
        for i, token in enumerate(self.tokens):
            entry = self._entry(token)
            if entry is not None:
                motion, kind, base = entry
                rank = self._rank(i, kind) - (SUBORDINATE if self._is_subordinate(i) else 0)
                weak = self.lexicon.english and base in WEAK and rank > BASE
                verb = Verb(self._as_written(token), motion, max(rank - weak, NOUN), i, self._is_negated(i))
                candidates.append(verb)
            elif token in self.lexicon.hints:
                hint = self.lexicon.hints[token]
                candidates.append(Verb(self._as_written(token), hint, HINT, i, self._is_negated(i)))
        return candidates

    def unlisted_verbs(self) -> list[Verb]:
        """Return English words that only their form makes verbs: "is contemplating", "a duck contemplates"."""
        if not self.lexicon.english:
            return []
        small, rows = self.lexicon.stopwords, enumerate(self.tokens)
        unknown = [(i, t) for i, t in rows if t not in small and t not in self.lexicon.subjects and len(t) > 3]
        return [Verb(self._as_written(t), None, FINITE, i, self._is_negated(i))
                for i, t in unknown if self._entry(t) is None and self._has_verb_ending(i)]

    def _has_verb_ending(self, i: int) -> bool:
        """Check for -ing behind a form of be, or -s behind a noun."""
        token = self.tokens[i]
        if token.endswith("ing"):
            return self._before(i) in self.lexicon.set("be")
        return bool(re.search(r"[^su]s$", token)) and self._follows_noun(i)

    def _as_written(self, token: str) -> str:
        """Return a token as the prompt has it, with its accents."""
        return self.written.get(token, token)

    def _entry(self, token: str) -> tuple[str | None, str, str] | None:
        """Return the table's row of a token; of a compound such as tap-dancing, the inflected last part's."""
        if "-" not in token:
            return self.lexicon.verbs.get(token)
        first, *_, last = token.split("-")
        entry = self.lexicon.verbs.get(last)
        return entry if entry and entry[1] in ("finite", "participle") and first != "non" else None

    def _before(self, i: int) -> str:
        """Return the token before, adverbs passed over; "" at the beginning of a clause."""
        adverbs = self.lexicon.set("adverbs")
        for token in reversed(self.tokens[:i]):
            if token not in adverbs and not (self.lexicon.english and token.endswith("ly") and len(token) > 5
                                             and token not in ("butterfly", "dragonfly", "firefly", "family")):
                return "" if token in PUNCTUATION else token
        return ""

    def _is_content(self, i: int) -> bool:
        """Check whether the token at i can be a noun: "star" in "rock star"."""
        token = self.tokens[i] if i < len(self.tokens) else ","
        is_adverb = self.lexicon.english and token.endswith("ly")
        return token not in PUNCTUATION and token not in self.lexicon.stopwords and not is_adverb

    def _follows_noun(self, i: int) -> bool:
        before = self._before(i)
        return bool(before) and before not in self.lexicon.stopwords

    def _rank(self, i: int, kind: str) -> int:
        """Return how much the form at i looks like a main verb among its neighbours."""
        before, sets = self._before(i), self.lexicon.set
        in_noun_phrase = before in sets("articles") | sets("adjectives")
        if kind == "participle":
            if before in sets("be"):
                return FINITE
            return ATTRIBUTE if (in_noun_phrase or not before) and self._is_content(i + 1) else PARTICIPLE
        if kind == "infinitive":
            return PARTICIPLE
        if before in sets("auxiliaries"):
            return FINITE
        can_be_noun = self.tokens[i].endswith(tuple(self.lexicon.language.noun_endings.split()) or "")
        if can_be_noun and (in_noun_phrase or before in sets("prepositions")):
            is_attribute = kind == "past" and self._is_content(i + 1)
            return ATTRIBUTE if is_attribute else BASE if self._has_light_verb(i) else NOUN
        if kind == "base":
            return self._base_rank(i, before)
        return FINITE if before else BASE

    def _base_rank(self, i: int, before: str) -> int:
        """Rank an English base form: after a plural or an auxiliary a verb, before another noun half of a compound."""
        is_last = not self._is_content(i + 1)
        if before.endswith("s") and before not in self.lexicon.stopwords:
            return FINITE
        if is_last and before and self.lexicon.set("auxiliaries") & set(self.tokens[:i]):
            return FINITE
        return BASE if is_last or not before else NOUN

    def _has_light_verb(self, i: int) -> bool:
        """Check for "does a", "takes a": the noun at i is what is done."""
        light = {"do", "does", "doing", "did", "take", "takes", "taking", "makes", "performs", "performing", "goes"}
        return self.lexicon.english and bool(light & set(self.tokens[max(i - 4, 0) : i]))

    def _is_subordinate(self, i: int) -> bool:
        """Check whether a subordinating word comes before i with no comma and no verb but joined ones between."""
        for k in reversed(range(i)):
            token = self.tokens[k]
            if token in self.lexicon.set("subordinators"):
                return True
            entry = self._entry(token)
            is_verb = entry is not None and self._rank(k, entry[1]) > NOUN
            if token in PUNCTUATION or (is_verb and not AND & set(self.tokens[k:i])):
                return False
        return False

    def _is_negated(self, i: int) -> bool:
        """Check whether the clause of i denies it; "never stops" denies nothing."""
        negations = self.lexicon.set("negations")
        is_third = self.lexicon.english and (self._entry(self.tokens[i]) or ())[1:2] == ("finite",)
        verbs_since = denied = stopped = False
        for j in reversed(self._clause_before(i)):
            token = self.tokens[j]
            is_only = j + 1 < len(self.tokens) and self.tokens[j + 1] in ONLY
            is_done = verbs_since and (token in LOCAL or is_third)  # "cannot fly walks"
            if token in negations and not is_only and not is_done:
                denied = denied or token not in AFTER_VERB or not self._denies_earlier(j)
            stopped = stopped or token in self.lexicon.set("reversers")
            verbs_since = verbs_since or self._entry(token) is not None
        return (denied or self._is_denied_later(i)) != stopped

    def _clause_before(self, i: int) -> range:
        """Return the positions from the beginning of the clause to i."""
        start = i
        breaks = self.lexicon.set("breaks") | PUNCTUATION | (self.lexicon.set("subordinators") - {"que", "de"})
        while start > 0 and not self._breaks(start - 1, i, breaks):
            start -= 1
        return range(start, i)

    def _breaks(self, j: int, i: int, breaks: frozenset[str]) -> bool:
        """Check whether the token at j ends the clause before the verb at i; "not jump, walk or dance" is one."""
        token = self.tokens[j]
        entry, here = self._entry(self.tokens[j + 1]), self._entry(self.tokens[i])
        if token == ",":
            return not (entry and here and entry[1] == here[1] == "base")
        return token in breaks or (token == "and" and bool(here) and here[1] == "finite")

    def _denies_earlier(self, j: int) -> bool:
        """Check whether a German "nicht" at j belongs to a verb before it in its clause."""
        return any(self._entry(self.tokens[k]) is not None for k in self._clause_before(j))

    def _is_denied_later(self, i: int) -> bool:
        """Check for a "nicht" behind the verb at i, in its clause."""
        for token in self.tokens[i + 1 :]:
            if token in PUNCTUATION or self._entry(token) is not None or token in self.lexicon.set("breaks"):
                return False
            if token in AFTER_VERB and self.lexicon.set("negations") & AFTER_VERB:
                return True
        return False
