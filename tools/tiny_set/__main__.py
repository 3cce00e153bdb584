"""Train the tiny set, or continue: python -m tools.tiny_set --out output/tiny_set"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from .config import Config
from .train import train


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m tools.tiny_set", description=__doc__)
    options.add_argument("--out", type=Path, default=Path("output/tiny_set"), help="folder (%(default)s)")
    chosen = options.parse_args()
    start = time.process_time()
    train(Config(), chosen.out, lambda line: print(line, flush=True))
    print(f"{(time.process_time() - start) / 60:.1f} CPU minutes in this run; the folders are in {chosen.out}.")


if __name__ == "__main__":
    main()
