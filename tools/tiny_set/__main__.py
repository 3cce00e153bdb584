"""Train the tiny set, or continue: python -m tools.tiny_set --out output/tiny_set"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from .config import Config, shortened
from .train import train


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m tools.tiny_set", description=__doc__)
    options.add_argument("--out", type=Path, default=Path("output/tiny_set"), help="folder (%(default)s)")
    options.add_argument("--steps-scale", type=float, default=1.0, help="all numbers of steps times this (%(default)s)")
    chosen = options.parse_args()
    start = time.process_time()
    train(shortened(Config(), chosen.steps_scale), chosen.out, lambda line: print(line, flush=True))
    print(f"{(time.process_time() - start) / 60:.1f} CPU minutes in this run; the folders are in {chosen.out}.")


if __name__ == "__main__":
    main()
