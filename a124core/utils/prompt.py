"""The sentence that every prior reads, checked once."""

from __future__ import annotations

LONGEST = 1000  # characters; the text encoders of the method read 77 tokens, some 300 characters


def checked_prompt(prompt: str) -> str:
    """Without surrounding or doubled white space; empty and endless ones are refused."""
    words = " ".join(prompt.split())
    if not words:
        raise ValueError('the prompt is empty: say what moves and how, for example "a panda is dancing".')
    if len(words) > LONGEST:
        raise ValueError(
            f"the prompt has {len(words)} characters, at most {LONGEST} are allowed: one or two sentences are enough."
        )
    return words
