"""python -m a124core: the command line."""

from __future__ import annotations

import os
import sys

os.environ.setdefault("GOMP_SPINCOUNT", "20000")  # before torch is imported: threads that spin for long stall a busy PC


def _run() -> int:
    """Load the program, which takes seconds in which Ctrl-C may come, and run one command."""
    try:
        os.getcwd()
    except FileNotFoundError:  # libraries of torch end the process here, in words of their own
        return _refuse("the folder in which this was started does not exist any more: change to another one")
    try:
        from .cli.main import main
    except (ImportError, MemoryError, OSError) as error:  # also of a library that finds no memory
        if os.environ.get("A124_TRACEBACK"):
            raise
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        return _refuse(f"the program cannot be loaded ({reason}): free memory, or set it up again (make setup)")
    return main()


def _refuse(sentence: str) -> int:
    print(f"error: {sentence}.", file=sys.stderr)
    return 2


if __name__ == "__main__":
    try:
        sys.exit(_run())
    except KeyboardInterrupt:
        print("Stopped before anything was done.", file=sys.stderr)
        sys.exit(130)
