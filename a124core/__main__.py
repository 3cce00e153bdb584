"""python -m a124core: the command line."""

from __future__ import annotations

import os
import sys

os.environ.setdefault("GOMP_SPINCOUNT", "20000")  # before torch is imported: threads that spin for long stall a busy PC

from .cli.main import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
