"""The output folder: what an interrupted run leaves there, and how new results take the place of earlier ones."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..runs.store import RunStore
from ..stages.config import DEFAULTS, completed
from ..utils.files import write_json
from ..utils.json_files import parse_json, read_json
from ..utils.lock import locked
from ..utils.temporary import NEW, delete_folder, new_prefix, sweep
from ..utils.text import first_line, quote_value

UNFINISHED, EARLIER, RESULTS, RUN, PREVIEW = "unfinished", "unfinished-earlier", "results", "run.json", "preview.png"
CUTOUT = "cutout.png"
NOTES, LOCK = "progress.json", ".animate124.lock"
SPARE = 64 * 2**20  # bytes for videos and pictures
SHORT, NAMED = 40, 3  # characters of a value, and options of an interrupted run that differ, in a message


@contextmanager
def created_folder(folder: Path) -> Iterator[None]:
    """Where results go, with the folders above it. After an error, those that were made here and are empty go again."""
    absent = [path for path in (folder, *folder.parents) if not os.path.exists(path)]
    try:
        _make(folder)
        yield
    except BaseException:
        for path in absent:
            with suppress(OSError):  # something is kept in it
                path.rmdir()
        raise


def _make(folder: Path) -> None:
    file = next((path for path in (folder, *folder.parents) if os.path.exists(path) and not os.path.isdir(path)), None)
    if file is not None:
        raise ValueError(f"{file} is a file, and a folder is needed for the results: choose another --out.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RecursionError) as error:  # hundreds of folders within each other
        reason = getattr(error, "strerror", None) or first_line(error)
        raise ValueError(f"{folder} cannot be made a folder ({reason}): choose another place with --out.") from None


def refuse_overwriting(source: Path | None, *targets: Path) -> None:
    """Refuse to write a result onto the file that it is made from, by whatever name."""
    for target in targets:
        with suppress(OSError):  # one of the two is not there
            if source is not None and os.path.samefile(source, target):
                raise ValueError(f"{target} would be written onto the file that is read: choose another --out.")


def check_writable(out: Path, needed: int = SPARE) -> None:
    """Stop before hours are spent if the results could not be written to this folder in the end."""
    try:
        with tempfile.NamedTemporaryFile(dir=out, prefix=new_prefix()) as trial:
            trial.write(b"x" * 4096)
            trial.flush()
    except OSError as error:
        reason = error.strerror or str(error)
        raise ValueError(f"nothing can be written to {out} ({reason}): choose another folder with --out.") from None
    free = shutil.disk_usage(out).free
    if free < needed:
        raise ValueError(
            f"{out} has {free / 2**20:.0f} MB free, this run needs {needed / 2**20:.0f} MB: free some space or choose "
            "another folder with --out."
        )


@contextmanager
def used_folder(folder: Path, say: Callable[[str], None], target: Path | None = None) -> Iterator[None]:
    """Make the folder and lock it, or only the target in it, against other runs, before anything is computed; see
    created_folder."""
    lock = folder / LOCK if target is None else target.with_name(f".{target.stem}.lock")

    def refusal(owner: object) -> str:
        return f"{target or folder} is in use by {owner}: wait until that run ends, or choose another place with --out."

    with created_folder(folder):
        check_writable(folder)
        with locked(lock, refusal, say):
            sweep(folder)
            yield


@dataclass(frozen=True)
class RunFolder:
    """out/ holds finished results; out/unfinished/ everything else, until the run is complete."""

    out: Path

    @property
    def work(self) -> Path:
        return self.out / UNFINISHED

    @property
    def store(self) -> RunStore:
        """Snapshots of the stage that runs, and the fields of finished stages."""
        return RunStore(self.work)

    @property
    def results(self) -> Path:
        return self.work / RESULTS

    @property
    def preview(self) -> Path:
        """The scene so far, as a picture; finished results have films."""
        return self.work / PREVIEW

    @property
    def cutout(self) -> Path:
        """The subject as it was cut out, to be looked at before the first step."""
        return self.work / CUTOUT

    @contextmanager
    def running(
        self, identity: dict[str, str], earlier: dict[str, str] | None, say: Callable[[str], None]
    ) -> Iterator[None]:  # earlier: of the same run as former versions wrote it; None: do not resume
        """Around a run: take up what an interrupted one left, or move it. Resuming another run is refused.

        Of a run that ends, in whatever way, before anything was kept, nothing stays; what it had moved is back."""
        resume = earlier is not None
        if resume:
            self._check_same(identity, earlier)
        moved = self._free_name() if self.work.exists() and not resume else None
        try:
            if moved is not None:
                os.replace(self.work, moved)
                say(f"An interrupted run was found and kept in {moved}; --resume would have continued it.")
            for folder in (self.work, self.results):
                sweep(folder, only_ours=True)
            self.write_head(identity, anew=True)
            yield
        except BaseException:
            self._restore_earlier(moved, say)
            raise

    def _restore_earlier(self, moved: Path | None, say: Callable[[str], None]) -> None:
        if self._keeps() or (moved is not None and not moved.exists()):  # the earlier run was never moved
            return
        shutil.rmtree(self.work, ignore_errors=True)
        if moved is not None:
            os.replace(moved, self.work)
            say(f"Nothing of this run was kept: the interrupted one is in {self.work} again.")

    def resumable(self) -> bool:
        """Whether an interrupted run is here that was kept in part."""
        return (self.work / RUN).is_file() and self._keeps()

    def _keeps(self) -> bool:
        """Whether there is a finished stage or a snapshot."""
        return any(self.work.glob("*.safetensors"))

    def _free_name(self) -> Path:
        """Where to put an interrupted run: nothing that is there already is lost."""
        names = (f"{EARLIER}-{k}" for k in itertools.count(1))
        return next(path for name in names if not (path := self.out / name).exists())

    def check_interrupted(self) -> None:
        """Refuse to resume where nothing was interrupted."""
        if not (self.work / RUN).is_file():
            raise ValueError(f"{self.out} holds no interrupted run: leave out --resume, or give its folder with --out.")

    def saved_bytes(self) -> int:
        """Return the size of all snapshots and finished stages of an interrupted run."""
        return sum(path.stat().st_size for path in self.work.glob("*.safetensors"))

    def _check_same(self, identity: dict[str, str], former: dict[str, str]) -> None:
        self.check_interrupted()
        earlier = _read_object(self.work / RUN)
        if earlier.get("version") != identity["version"]:
            raise ValueError(
                f"the interrupted run in {self.out} was kept by another version of this program, which cannot be "
                "continued: start over without --resume; what was kept stays beside the new run."
            )
        names = [name for name, value in identity.items() if earlier.get(name) not in (value, former.get(name))]
        different = [text for name in names for text in _differences(name, earlier.get(name), identity[name])]
        if different:
            more = f" and {len(different) - NAMED} more" if len(different) > NAMED else ""
            raise ValueError(
                f"the interrupted run in {self.out} was started with other options "
                f"({', '.join(different[:NAMED])}{more}): use the same ones, or start over without --resume."
            )

    def write_head(self, identity: dict[str, str], anew: bool = False) -> None:
        """Make the folder, and write what a resume is compared with; anew: even if it is there."""
        self.results.mkdir(parents=True, exist_ok=True)
        if anew or not (self.work / RUN).is_file():
            write_json(self.work / RUN, identity)

    def write_notes(self, notes: dict[str, Any]) -> None:
        """Write seconds and losses so far."""
        write_json(self.work / NOTES, notes)

    def read_notes(self) -> dict[str, Any]:
        """Read the seconds and losses of an interrupted run; empty without one."""
        return _read_object(self.work / NOTES)

    def publish(self) -> list[Path]:
        """Move the new results over earlier ones, the report last, and drop what only a resume would need."""
        new = [path for path in self.results.iterdir() if not path.name.startswith(NEW)]
        new.sort(key=lambda path: path.name == "report.json")
        try:
            for path in new:
                os.replace(path, self.out / path.name)
        except OSError as error:
            raise OSError(
                f"{error.filename2 or self.out} could not be replaced ({error.strerror}): close or move what is there "
                "and go on with --resume."
            ) from error
        delete_folder(self.work)
        return [self.out / path.name for path in new]


def _differences(name: str, earlier: Any, now: Any) -> Iterator[str]:
    """Name what differs between two values of an identity: of settings, each number that does."""
    if name == "settings" and isinstance(earlier, str):
        earlier, now = parse_json(earlier, "the settings", "start over"), json.loads(now)
        earlier = completed(earlier, DEFAULTS) if isinstance(earlier, dict) else earlier
    if isinstance(earlier, dict) and isinstance(now, dict):
        for key in sorted(now):
            if earlier.get(key) != now[key]:
                yield from _differences(key if name == "settings" else f"{name} {key}", earlier.get(key), now[key])
    else:
        brief = name not in ("picture", "models", "settings") and earlier is not None
        yield f"{name}: {_short(earlier)}, now {_short(now)}" if brief else name


def _short(value: Any) -> str:
    return value if isinstance(value, str) and len(value) < SHORT else quote_value(value)


def _read_object(path: Path) -> dict[str, Any]:
    """Read a JSON object; an absent or damaged file is an empty one."""
    try:
        return read_json(path, "start over without --resume")
    except (OSError, ValueError):
        return {}
