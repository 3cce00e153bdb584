"""python -m a124core: the command line."""

from __future__ import annotations

import os
import sys

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is imported: threads that spin stall a busy machine

from .cli.main import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
