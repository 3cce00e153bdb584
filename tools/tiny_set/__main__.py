"""Train the tiny set, or continue: python -m tools.tiny_set --out output/tiny_set [--jobs 2] [--device cuda]"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch

from .config import ROLES, Config, shortened
from .train import train

ALONE = ("video",)  # roles that a second process trains: half of the time


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m tools.tiny_set", description=__doc__)
    options.add_argument("--out", type=Path, default=Path("output/tiny_set"), help="folder (%(default)s)")
    options.add_argument("--steps-scale", type=float, default=1.0, help="all numbers of steps times this (%(default)s)")
    options.add_argument("--roles", nargs="+", choices=ROLES, default=ROLES, help="which to train (all)")
    options.add_argument("--device", default="cpu", help="cpu or cuda (%(default)s)")
    options.add_argument("--jobs", type=int, choices=(1, 2), default=1, help="2: the video role in a second process")
    options.add_argument("--bf16", action="store_true", help="the video role in bfloat16: 1.7 times as fast with AMX")
    chosen = options.parse_args()
    start = time.monotonic()
    config = replace(shortened(Config(), chosen.steps_scale), device=chosen.device)
    config.courses["video"] = replace(config.courses["video"], bf16=chosen.bf16)
    _train(config, chosen)
    print(f"{(time.monotonic() - start) / 60:.1f} minutes in this run; the folders are in {chosen.out}.")


def _train(config: Config, chosen: argparse.Namespace) -> None:
    if chosen.jobs == 1:
        train(config, chosen.out, _say, chosen.roles)
        return
    train(config, chosen.out, _say, ())  # what the others begin as
    torch.set_num_threads(max(torch.get_num_threads() // 2, 1))
    second = subprocess.Popen(_command(chosen, [r for r in chosen.roles if r in ALONE]), env=_environment())
    train(config, chosen.out, _say, [role for role in chosen.roles if role not in ALONE])
    if second.wait() != 0:
        raise SystemExit("the second process failed: run the same command again, it goes on where it stopped.")


def _command(chosen: argparse.Namespace, roles: list[str]) -> list[str]:
    options = {"out": chosen.out, "steps-scale": chosen.steps_scale, "device": chosen.device}
    named = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    flags = ["--bf16"] if chosen.bf16 else []
    return [sys.executable, "-m", "tools.tiny_set", *named, *flags, "--roles", *(roles or ["image"])]


def _environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
