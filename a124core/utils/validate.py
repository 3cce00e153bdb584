"""Validation that refuses in one plain sentence: numbers and choices of options, prompts, and names of files."""

from __future__ import annotations

import numbers
import os
import unicodedata
from dataclasses import fields
from pathlib import Path
from typing import Any

from .text import quote_value

ANY = float("inf")  # no upper bound
ABOVE_ZERO = 1e-30  # lower bound of a number that divides or scales
MAX_PROMPT = 1000  # characters; the text encoders of the method read 77 tokens, some 300 characters
PORTS = ("COM", "LPT")  # with a digit, or a raised one, which Windows takes for it
RESERVED_NAMES = {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", *(f"{p}{k}" for p in PORTS for k in "123456789¹²³")}
FORBIDDEN_CHARACTERS = '<>:"|?*\\'  # in file names, on Windows; so are the reserved ones
MAX_FOLDERS = 16  # in the name of a file to write
MAX_NAME_BYTES = 120  # of one part: every common file system takes 255, and a number and a suffix follow
MAX_NUMBER = 2**64  # of options: only seeds come near it, and messages stay short
TYPES = {  # by the name of a dataclass field's type: what a value must be, and its name in a message
    "int": (numbers.Integral, "a whole number"),
    "float": (numbers.Real, "a finite number"),
    "bool": (bool, "true or false"),
    "str": (str, "a text"),
}


def check_range(config: object, low: float, high: float, *names: str) -> None:
    """Refuse the first of these numbers of the config that lies outside [low, high], or is not a number."""
    for name in names:
        value = getattr(config, name)
        if not low <= value <= high:
            floor = "above 0" if low == ABOVE_ZERO else f"at least {low:g}"
            needed = floor if high == ANY else f"{floor} and at most {high:g}"
            raise ValueError(f"{name} is {value}: it must be {needed}, so choose another number.")


def check_types(config: Any) -> None:
    """Refuse a field of a dataclass that is no int, float (finite), bool or str as declared: ValueError."""
    for field in fields(config):
        value, (kind, text) = getattr(config, field.name), TYPES.get(str(field.type), (object, ""))
        is_bool = isinstance(value, bool)
        if not isinstance(value, kind) or (is_bool and kind in (numbers.Integral, numbers.Real)):
            raise ValueError(f"{field.name} is a {type(value).__name__}: {text} is needed.")
        if kind in (numbers.Integral, numbers.Real) and not abs(value) < MAX_NUMBER:  # NaN is refused too
            raise ValueError(f"{field.name} is endless or not a number: {text} is needed.")
        if kind is str and len(value) > MAX_PROMPT:
            raise ValueError(f"{field.name} has {len(value)} characters: {text} is needed.")


def check_choice(config: object, name: str, choices: tuple[str, ...]) -> None:
    """Refuse a value of the config that is not one of the choices."""
    value = getattr(config, name)
    if value not in choices:
        raise ValueError(f"{name} is {value!r}: choose one of {', '.join(choices)}.")


def checked_prompt(prompt: str) -> str:
    """Return the prompt without surrounding or doubled white space; refuse empty, endless and unreadable ones."""
    check_text(prompt, "the prompt")
    text = " ".join(prompt.split())
    if not text:
        raise ValueError('the prompt is empty: say what moves and how, for example "a panda is dancing".')
    if len(text) > MAX_PROMPT:
        raise ValueError(
            f"the prompt has {len(text)} characters, at most {MAX_PROMPT} are allowed: one or two sentences are enough."
        )
    return text


def check_text(text: str, name: str) -> None:
    """Refuse control characters, and halves of characters (surrogates), which no tokeniser and no file takes."""
    odd = next((c for c in text if unicodedata.category(c) in ("Cs", "Cc") and not c.isspace()), None)
    if odd is not None:
        raise ValueError(f"{name} holds U+{ord(odd):04X}, which is no character of a text: type it again without it.")


def readable_file(path: str | Path, advice: str, max_bytes: float = ANY) -> Path:
    """Return the path of a file that can be opened; refuse what is none, or too large, with the advice "give a ..."."""
    path = Path(path)
    try:
        if path.is_dir():
            raise ValueError(f"{path} is a folder: {advice}.")
        if not path.exists():
            raise ValueError(f"{path} was not found: {advice}.")
        if not path.is_file():
            raise ValueError(f"{path} is no file: {advice}.")
        with path.open("rb"):
            size = path.stat().st_size
    except PermissionError:
        raise ValueError(f"{path} may not be read: check the permissions of the file.") from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror or error}): {advice}.") from None
    if size > max_bytes:
        raise ValueError(f"{path} has {size / 2**20:.0f} MB, at most {max_bytes / 2**20:.0f} are read: {advice}.")
    return path


def plain_name(name: str) -> str:
    """Return the name of a file to write, "tabby", or of a folder and a file, "cats/tabby"; refuse what an operating
    system would not take, and what would leave the folder that it is meant for."""
    parts = name.split("/")
    for part in parts:
        fault = f"has more than {MAX_FOLDERS} folders" if len(parts) > MAX_FOLDERS + 1 else _name_fault(part)
        if fault:
            quoted = quote_value(name, 2 * MAX_NAME_BYTES)
            raise ValueError(f"the name {quoted} {fault}: use a plain name such as 'robot' or 'cats/tabby'.")
    return name


def _name_fault(part: str) -> str:
    """Describe what is wrong with one part of a path; empty if nothing is."""
    if not part.strip() or part in (".", ".."):
        return "does not stay in its folder, or is empty"
    if part.split(".")[0].strip().upper() in RESERVED_NAMES:
        return f"holds {quote_value(part)}, which Windows keeps for itself"
    if any(c in FORBIDDEN_CHARACTERS or not c.isprintable() for c in part):
        return f"holds a character that file names cannot have ({FORBIDDEN_CHARACTERS} and control characters)"
    if part[-1] in ". " or part[0] == " ":
        return "begins or ends with a space, or ends with a dot"
    too_long = len(os.fsencode(part)) > MAX_NAME_BYTES
    return f"is longer than {MAX_NAME_BYTES} bytes (a letter takes 1 to 4)" if too_long else ""
