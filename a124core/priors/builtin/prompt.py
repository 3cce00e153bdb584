"""From a sentence to a subject and a motion: stems and synonyms, else the nearest known word, else a default."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from operator import itemgetter

FROM_PROMPT = "from the prompt"
DEFAULT_MOTION = "sway"  # suits anything that stands
MIN_SIMILARITY = 0.75  # share of letters two words must have in common to be taken for one another

SUBJECT_SYNONYMS: dict[str, tuple[str, ...]] = {
    "snowman": ("snowman", "snow man", "frosty"),
    "robot": ("robot", "android", "droid", "bot"),
    "duck": ("duck", "duckling", "chick", "bird", "goose"),
    "panda": ("panda", "bear", "teddy"),
    "cat": ("cat", "kitten", "kitty", "tabby", "tomcat"),
    "penguin": ("penguin",),
    "rocket": ("rocket", "spaceship", "shuttle", "spacecraft", "missile"),
    "flower": ("flower", "daisy", "sunflower", "plant", "blossom"),
    "turtle": ("turtle", "tortoise"),
    "teapot": ("teapot", "kettle", "tea pot", "pot"),
    "frog": ("frog", "toad"),
}
_MOTION_SYNONYMS = {
    "jump": "jump leap vault pounce hurdle",
    "bounce": "bounce hop bob bouncy dribble spring skip",
    "sway": "sway bend lean swing wind breeze sag wilt drift blow",
    "spin": "spin rotate turn whirl twirl pirouette revolve orbit circle roll",
    "wave": "wave greet hello beckon salute hail bye raise",
    "squash": "squash stretch squeeze breathe pulse pulsate inflate squish press grow throb",
    "walk": "walk waddle step march stroll run stride crawl jog stomp wander trot sneak",
    "fly": "fly flap float hover soar glide lift launch rise flight levitate ascend swim",
    "dance": "dance disco boogie groove party samba waltz tango breakdance play celebrate",
    "nod": "nod bow agree eat peck sing drink talk speak look",
    "twist": "twist wring shake shiver wriggle wiggle writhe swivel",
    "rock": "rock tip tilt wobble teeter totter seesaw stagger shudder",
}
MOTION_SYNONYMS: dict[str, tuple[str, ...]] = {m: tuple(synonyms.split()) for m, synonyms in _MOTION_SYNONYMS.items()}

SUBJECTS = tuple(SUBJECT_SYNONYMS)
MOTIONS = tuple(MOTION_SYNONYMS)
IRREGULAR = {
    "flew": "fly", "flown": "fly", "flies": "fly", "swung": "swing", "spun": "spin", "ran": "run", "bent": "bend",
    "leapt": "leap", "blew": "blow", "shook": "shake", "swam": "swim", "sang": "sing", "ate": "eat",
}
FILLER = frozenset(
    "a an the is are was in on at of and with to from his her its it very high quality resolution 8k dslr image "
    "picture photo cartoon small big little cute up down as by for that while lighting light candle".split()
)


@dataclass(frozen=True)
class ParsedPrompt:
    """Subject and motion of a prompt."""

    subject: str | None  # one of SUBJECTS, or None when it names none
    motion: str
    guessed: bool  # the motion is a guess
    sentence: str  # for the user


def stem(word: str) -> str:
    """Reduce a word enough to compare it: bouncing -> bounc, hops -> hop, dances -> danc, waving -> wav."""
    word = IRREGULAR.get(word, word)
    for ending in ("ing", "ed", "es", "s", "er"):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            word = word[: -len(ending)]
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "sl":
        word = word[:-1]
    return word[:-1] if word.endswith(("e", "y")) and len(word) > 2 else word


def parse_prompt(prompt: str, motion: str = FROM_PROMPT) -> ParsedPrompt:
    """Read subject and motion; `motion` other than "from the prompt" overrides the text."""
    tokens = re.findall(r"[a-z]+", prompt.lower())
    pairs = [f"{a} {b}" for a, b in zip(tokens, tokens[1:], strict=False)]
    subject, _ = _first_match(pairs + tokens, SUBJECT_SYNONYMS)
    if motion != FROM_PROMPT:
        if motion not in MOTIONS:
            raise ValueError(f"motion is {motion!r}: use {FROM_PROMPT!r} or one of {', '.join(MOTIONS)}.")
        return ParsedPrompt(subject, motion, False, f"Motion {motion!r}, as chosen.")
    match, token = _first_match(tokens, MOTION_SYNONYMS)
    if match:
        return ParsedPrompt(subject, match, False, f"Motion {match!r}, from the word {token!r}.")
    rest = [t for t in tokens if t not in FILLER and not _first_match([t], SUBJECT_SYNONYMS)[0]]
    guess, word = _nearest_motion(rest)
    reason = f"{word!r} is most similar to it" if word else "no word names a motion"
    known = ", ".join(MOTIONS)
    note = "" if word else " Only English words are understood; or choose the motion yourself."
    return ParsedPrompt(subject, guess, True, f"Motion {guess!r}, a guess: {reason}. Known motions: {known}.{note}")


def _first_match(tokens: list[str], table: dict[str, tuple[str, ...]]) -> tuple[str | None, str]:
    """Return the name of the first token whose stem is in the table, and the token; the order of the text decides."""
    stems = {stem(w): name for name, synonyms in table.items() for w in synonyms}
    stems |= {w: name for name, synonyms in table.items() for w in synonyms if " " in w}
    for token in tokens:
        name = stems.get(token) or stems.get(stem(token))
        if name:
            return name, token
    return None, ""


def _nearest_motion(tokens: list[str]) -> tuple[str, str]:
    """Return the motion whose word shares most letters with a token, and that token; else the default and ''."""
    candidates = (
        (SequenceMatcher(None, stem(token), stem(word)).ratio(), motion, token)
        for token in tokens
        for motion, synonyms in MOTION_SYNONYMS.items()
        for word in synonyms
        if min(len(token), len(word)) >= 4
    )
    similarity, motion, token = max(candidates, key=itemgetter(0), default=(0.0, "", ""))
    return (motion, token) if similarity > MIN_SIMILARITY else (DEFAULT_MOTION, "")
