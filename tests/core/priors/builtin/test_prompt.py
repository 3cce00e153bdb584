"""Prompts: stems, synonyms, guesses that say so, overrides."""

import pytest

from a124core.priors.builtin import MOTIONS, SUBJECTS, make_priors, parse_prompt, prompt, vocabulary
from a124core.priors.builtin.languages import SPACED, UNSPACED
from tests.core.priors.builtin import prompt_sentences

LANGUAGES = ("ENGLISH", "FRENCH", "GERMAN", "SPANISH", "CHINESE", "JAPANESE")
TABLES = (*LANGUAGES, "ADVERSARIAL", "ADVERSARIAL_ELSEWHERE")
ROWS = [row for table in TABLES for row in getattr(prompt_sentences, table)]


@pytest.mark.parametrize(
    ("prompt", "subject", "motion"),
    [
        ("a snowman is bouncing", "snowman", "bounce"),
        ("A high-resolution DSLR image of a panda dancing", "panda", "dance"),
        ("the kitten leaps", "cat", "jump"),
        ("a robot waves hello", "robot", "wave"),
        ("a sunflower sways in the wind", "flower", "sway"),
        ("two penguins are waddling", "penguin", "walk"),
        ("the spaceship is flying", "rocket", "fly"),
        ("teapot, spinning", "teapot", "spin"),
        ("a frog hopped", "frog", "bounce"),
        ("a turtle is nodding", "turtle", "nod"),
        ("a duck rotates slowly", "duck", "spin"),
        ("an astronaut twists", None, "twist"),
        ("a toy is squishing", None, "squash"),
        ("the boat was rocking", None, "rock"),
    ],
)
def test_reads(prompt, subject, motion):
    parsed = parse_prompt(prompt)
    assert (parsed.subject, parsed.motion, parsed.guessed) == (subject, motion, False)


@pytest.mark.parametrize(
    ("caption", "motion"),
    [
        ("a rose in a flowerpot sway in the wind", "sway"),
        ("a panda is dancing", "dance"),
        ("an eagle is flying", "fly"),
        ("a cat singing in front of a microphone", "nod"),
        ("a full-bodied cat is waving its paw", "wave"),
        ("a space shuttle launching", "fly"),
        ("a Clownfish is swimming", "fly"),
        ("a squirrel eating nut", "nod"),
        ("chimpanzee playing accordion", "dance"),
        ("Chinese flag attached to a flagpole, waving with a smooth, gentle curve", "wave"),
    ],
)
def test_captions_of_the_benchmark_mean_what_they_say(caption, motion):
    parsed = parse_prompt(caption)
    assert (parsed.motion, parsed.guessed) == (motion, False)


@pytest.mark.parametrize("caption", ["a lighting candle", "a lion is roaring", "a monkey riding a bike"])
def test_a_caption_outside_the_vocabulary_is_guessed_and_says_so(caption):
    assert parse_prompt(caption).guessed


def test_a_misspelt_motion_is_guessed_and_said():
    parsed = parse_prompt("a duck is jumpping and bouncng")
    assert parsed.motion in ("jump", "bounce")
    parsed = parse_prompt("a duck danceing")
    assert parsed.motion == "dance"


def test_an_unknown_motion_falls_back_and_lists_the_known_ones():
    parsed = parse_prompt("a duck contemplates philosophy")
    assert parsed.guessed and parsed.motion in MOTIONS
    assert all(m in parsed.sentence for m in MOTIONS)


def test_the_motion_argument_overrides():
    assert parse_prompt("a duck is dancing", "jump").motion == "jump"
    with pytest.raises(ValueError, match="sway"):
        parse_prompt("a duck", "explode")


def test_vocabulary_is_large_enough():
    assert len(SUBJECTS) >= 8 and len(MOTIONS) >= 8
    for motion in MOTIONS:
        assert parse_prompt(f"a thing, {motion}").motion == motion
    for subject in SUBJECTS:
        assert parse_prompt(f"a {subject}").subject == subject


def test_no_reference_and_no_subject_is_refused():
    with pytest.raises(ValueError, match="snowman"):
        make_priors(None, "something is moving")


def test_the_truth_knows_whether_its_motion_has_a_path():
    assert make_priors(None, "a robot bounces", image_size=16).truth.motion_has_path
    assert not make_priors(None, "a robot spins", image_size=16).truth.motion_has_path


@pytest.mark.parametrize(("sentence", "subject", "motion"), ROWS, ids=[row[0] for row in ROWS])
def test_a_sentence_means_what_a_person_would_say(sentence, subject, motion):
    parsed = parse_prompt(sentence)
    assert parsed.subject == subject
    assert parsed.guessed if motion is None else (parsed.motion, parsed.guessed) == (motion, False), parsed.sentence


def test_every_language_has_twenty_sentences():
    assert all(len(getattr(prompt_sentences, language)) >= 20 for language in LANGUAGES)
    assert len(prompt_sentences.ADVERSARIAL) >= 40


@pytest.mark.parametrize(("sentence", "verb"), prompt_sentences.NOT_UNDERSTOOD)
def test_a_verb_without_a_motion_is_named(sentence, verb):
    parsed = parse_prompt(sentence)
    assert parsed.guessed and f"{verb!r} is not understood" in parsed.sentence
    assert parsed.sentence.startswith(f"Motion {parsed.motion!r}, a guess")


@pytest.mark.parametrize(
    "sentence", ["the frog does not jump", "la grenouille ne saute pas", "青蛙不跳", "カエルは跳ばない"]
)
def test_a_denied_motion_is_not_taken_and_said(sentence):
    parsed = parse_prompt(sentence)
    assert parsed.motion != "jump" and "only with a not" in parsed.sentence


def test_the_default_is_never_the_denied_motion():
    assert parse_prompt("a tree does not sway").motion != "sway"


def test_what_was_left_out_is_said_beside_the_motion():
    assert "'barks' has no motion here" in parse_prompt("a dog barks and jumps").sentence
    assert "'jump' stands with a not" in parse_prompt("the frog does not jump, it dances").sentence


@pytest.mark.parametrize("name", [*SPACED, *UNSPACED])
def test_every_language_names_every_subject_and_motion(name):
    language = {**SPACED, **UNSPACED}[name]
    assert list(language.subjects) == list(SUBJECTS) and list(language.motions) == list(MOTIONS)


def test_a_new_motion_takes_its_verb_from_those_without(monkeypatch):
    monkeypatch.setitem(vocabulary.ENGLISH.motions, "bark", "bark")
    prompt._lexicons.cache_clear()
    try:
        assert parse_prompt("a dog barks loudly").motion == "bark"
    finally:
        monkeypatch.undo()
        prompt._lexicons.cache_clear()


@pytest.mark.parametrize(
    "text", ["", "   ", "!!!", ",,, ;", "- - -", "🐼", "the the the", "not", "the frog's", "a-b-c not"]
)
def test_anything_is_read(text):
    assert parse_prompt(text).motion in MOTIONS
