"""From a sentence to a subject and a motion: the main verb, else the most similar known word, else a default."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from operator import itemgetter

from .characters import CharacterSentence, reads
from .languages import SPACED, UNSPACED
from .lexicon import PUNCTUATION, Lexicon, plain
from .verbs import BASE, FINITE, HINT, NOUN, PARTICIPLE, Sentence, Verb
from .vocabulary import ENGLISH

FROM_PROMPT = "from the prompt"
DEFAULT_MOTIONS = ("sway", "nod")  # sway suits anything that stands; nod where sway is denied
NAMING_MOTION = (BASE, PARTICIPLE, FINITE)  # ranks of verbs that begin what is done; attributes belong to the name
MIN_SIMILARITY = 0.75  # share of letters two words must have in common to be taken for one another
SUBJECTS = tuple(ENGLISH.subjects)
MOTIONS = tuple(ENGLISH.motions)


@dataclass(frozen=True)
class ParsedPrompt:
    """Subject and motion of a prompt."""

    subject: str | None  # one of SUBJECTS, or None when it names none
    motion: str
    guessed: bool  # the motion is a guess
    sentence: str  # for the user


def parse_prompt(prompt: str, motion: str = FROM_PROMPT) -> ParsedPrompt:
    """Read subject and motion; `motion` other than "from the prompt" overrides the text."""
    sentence = _spaced_sentence(prompt)
    subject = CharacterSentence(prompt).subject() if reads(prompt) else None
    subject = subject or next((name for t in sentence.tokens if (name := sentence.lexicon.subjects.get(t))), None)
    if motion != FROM_PROMPT:
        if motion not in MOTIONS:
            raise ValueError(f"motion is {motion!r}: use {FROM_PROMPT!r} or one of {', '.join(MOTIONS)}.")
        return ParsedPrompt(subject, motion, False, f"Motion {motion!r}, as chosen.")
    verbs = [*(CharacterSentence(prompt).verbs() if reads(prompt) else ()), *sentence.verbs()]
    return _chosen(subject, verbs) or _guessed(subject, verbs, sentence)


def without_motion(prompt: str) -> str:
    """Return the prompt up to its first verb: the object's name. ValueError where nothing is before it, and for
    languages that put no spaces between words."""
    if reads(prompt):
        raise ValueError(f"the motion cannot be cut from {prompt!r}: write the object's name alone as the prompt.")
    sentence, written = _spaced_sentence(prompt), prompt.split()
    lexicon, tokens = sentence.lexicon, [plain(word).strip("".join(PUNCTUATION)) for word in written]
    verbs = [verb for verb in (*sentence.verbs(), *sentence.unlisted_verbs()) if verb.rank in NAMING_MOTION]
    forms = {plain(part) for verb in verbs for part in verb.token.split("_")[:1]}
    end = next((k for k, token in enumerate(tokens) if token in forms), len(tokens))
    between = lexicon.set("be") | lexicon.set("auxiliaries") | lexicon.set("adverbs") | lexicon.set("negations")
    while end < len(tokens) and end and tokens[end - 1] in between:
        end -= 1
    if not end:
        raise ValueError(f"nothing is left of {prompt!r} without its motion: write the object's name alone.")
    return " ".join(written[:end]).rstrip("".join(PUNCTUATION))


@cache
def _lexicons() -> tuple[Lexicon, ...]:
    return tuple(Lexicon(language, language is ENGLISH) for language in SPACED.values())


def _spaced_sentence(prompt: str) -> Sentence:
    """Read a prompt in the language that knows most of its words; English where several know as many."""
    return Sentence(prompt, max(_lexicons(), key=lambda lexicon: lexicon.score(prompt)))


def _best(verbs: list[Verb]) -> Verb | None:
    """Return the candidate of the highest rank, the first of several."""
    return max(verbs, key=lambda verb: (verb.rank, -verb.position), default=None)


def _chosen(subject: str | None, verbs: list[Verb]) -> ParsedPrompt | None:
    """Return what the main verb says, and what else was read; None without a verb that has a motion."""
    motions = [verb for verb in verbs if verb.motion and not verb.negated]
    others = [verb for verb in verbs if not verb.motion and not verb.negated]
    best = _best([verb for verb in motions if verb.rank >= BASE])
    best = best or (None if others else _best([verb for verb in motions if verb.rank == HINT]))
    if best is None:
        return None
    denied = [verb.token for verb in verbs if verb.negated and verb.motion]
    notes = [f"{verb.token!r} has no motion here" for verb in others if verb.rank > NOUN]
    notes += [f"{token!r} stands with a not, so it is left out" for token in denied]
    note = f" ({'; '.join(notes)})" if notes else ""
    return ParsedPrompt(subject, best.motion, False, f"Motion {best.motion!r}, from the word {best.token!r}{note}.")


def _guessed(subject: str | None, verbs: list[Verb], sentence: Sentence) -> ParsedPrompt:
    """Return a guess, and why it is one."""
    denied = [verb for verb in verbs if verb.negated and verb.motion]
    default = next(m for m in DEFAULT_MOTIONS if m not in {verb.motion for verb in denied})
    other = _best([verb for verb in verbs if not verb.motion])
    weak = [verb for verb in verbs if verb.motion and not verb.negated and verb.rank in (NOUN, HINT)]
    similar, token = ("", "") if other or denied else _most_similar(sentence)
    unlisted = next(iter(sentence.unlisted_verbs()), None)
    after = [v for v in weak if unlisted is None or v.position > unlisted.position or v.rank == HINT]
    if denied:
        reason = f"the prompt has {denied[0].token!r} only with a not, which names no other motion"
    elif similar:
        default, reason = similar, f"{token!r} is most similar to it"
    elif after and (other is None or after[0].rank == HINT):
        default, reason = after[0].motion, f"{after[0].token!r} looks like a noun"
    elif other or unlisted:
        reason = f"{(other or unlisted).token!r} is not understood"
    else:
        languages = ", ".join((*SPACED, *UNSPACED))
        reason = f"no word names a motion (read: {languages})"
    known = ", ".join(MOTIONS)
    text = f"Motion {default!r}, a guess: {reason}. Known motions: {known}; or choose the motion yourself."
    return ParsedPrompt(subject, default, True, text)


def _most_similar(sentence: Sentence) -> tuple[str, str]:
    """Return the motion whose verb shares most letters with a token that is no known word, and that token."""
    lexicon = sentence.lexicon
    known = (lexicon.stopwords, lexicon.subjects, lexicon.verbs)
    unknown = {t for t in sentence.tokens if len(t) >= 4 and not any(t in table for table in known)}
    candidates = (
        (SequenceMatcher(None, token, form).ratio(), motion, token)
        for token in sorted(unknown)
        for form, (motion, _, _) in lexicon.verbs.items()
        if motion and len(form) >= 4 and form[0] == token[0]
    )
    similarity, motion, token = max(candidates, key=itemgetter(0), default=(0.0, "", ""))
    return (motion, token) if similarity > MIN_SIMILARITY else ("", "")
