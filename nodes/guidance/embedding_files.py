"""Files of learned words: the embedding itself, where the host looks for it, and what is kept of a run of learning."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from ...a124core.export.embedding import load_progress, read_embedding, save_progress, write_embedding
from ...a124core.inversion.learn import TokenSnapshot
from ..host.inversion import embeddings_folder

MADE_BY = "animate124"

log = logging.getLogger(__name__)


class Progress:
    """What is kept on disk of one run: where it stands, then the word."""

    def __init__(self, folder: Path, restart: bool) -> None:
        self.state, self.word = folder / "progress.safetensors", folder / "word.safetensors"
        if restart:
            self.state.unlink(missing_ok=True)
            self.word.unlink(missing_ok=True)

    def newest(self) -> TokenSnapshot | None:
        try:
            return TokenSnapshot(*load_progress(self.state)) if self.state.is_file() else None
        except ValueError:  # a damaged file counts as absent
            return None

    def finished(self) -> Tensor | None:
        try:
            return read_embedding(self.word)[""] if self.word.is_file() else None
        except ValueError:
            return None

    def save(self, snapshot: TokenSnapshot) -> str | None:
        """-> why it was not saved."""
        return _kept(self.state, lambda: save_progress(self.state, snapshot.tensors, snapshot.meta))

    def finish(self, word: Tensor) -> str | None:
        """-> why the word was not kept; then where it stands is kept still."""
        problem = _kept(self.word, lambda: write_embedding(self.word, word))
        if problem is None:
            self.state.unlink(missing_ok=True)
        return problem


def _kept(path: Path, write: Callable[[], None]) -> str | None:
    """A full disk must not end a run: the reason comes back as text."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write()
    except (OSError, ValueError, RuntimeError) as error:
        log.warning("Animate124: %s not kept: %s", path.stem, error)
        return f"{path.stem} not kept on disk: {error}"
    return None


def embedding_path(name: str, run: str | None) -> Path:
    """Where the host looks for `embedding:name`. Never written over: a file that somebody else made, or a word that
    another run than this one learned; None: the user restarts, which may replace any word of ours."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
        raise ValueError(f"the name {name!r} cannot be a word: use letters, digits, - and _, such as my_panda.")
    folder = embeddings_folder()
    path = folder / f"{name}.safetensors"
    taken = [p for p in folder.glob(f"{name}.*") if p != path and p.suffix in (".pt", ".bin")]
    about = _about(path) if path.is_file() else None
    if taken or (about is not None and about.get("made_by") != MADE_BY):
        raise ValueError(f"an embedding {name} that was not learned here is in {folder}: choose another name.")
    if about is not None and run is not None and about.get("run") != run:
        raise ValueError(
            f"{folder} holds a word {name} of another picture, model or setting: choose another name, or set resume to "
            "restart to learn it anew and replace that one."
        )
    return path


def write_word(path: Path, word: Tensor, about: dict[str, str]) -> None:
    """The embedding, with what it is. The same word is not written twice: what depends on the file would begin anew."""
    about = {"made_by": MADE_BY, **about}
    if path.is_file() and about.items() <= _about(path).items() and torch.equal(read_embedding(path)[""], word):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    write_embedding(path, word, about)


def _about(path: Path) -> dict[str, str]:
    """The notes in a safetensors file; none where it cannot be read."""
    try:
        with safe_open(path, framework="pt") as opened:
            return opened.metadata() or {}
    except Exception:  # noqa: BLE001 (whatever it is, it is not ours)
        return {}
