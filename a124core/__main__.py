"""python -m a124core: the command line."""

from __future__ import annotations

import os
import sys

os.environ.setdefault("GOMP_SPINCOUNT", "20000")  # before torch is imported: threads that spin for long stall a busy PC

if __name__ == "__main__":
    try:
        from .cli.main import main  # torch and all of it: seconds, in which Ctrl-C may come

        sys.exit(main())
    except KeyboardInterrupt:
        print("Stopped before anything was done.", file=sys.stderr)
        sys.exit(130)
