"""Make .venv with everything that the demo and the tests need. Standard library only; the second run takes no time.

    python tools/setup_env.py

`make demo` and `make test` call it; where there is no make (Windows) call it yourself. It uses a torch that the calling
Python can import; otherwise it installs the pinned one, from TORCH_INDEX if that environment variable is set.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
READY = VENV / "animate124-ready"  # its text says for what the environment is ready; make looks at its date
REQUIREMENTS = ROOT / "requirements-dev.txt"
TORCH_INDEX = os.environ.get("TORCH_INDEX", "").strip()
OLDEST_TORCH = (2, 4)  # what ComfyUI asks for, and the first that is at ease with numpy 2


def main() -> None:
    check_python()
    if READY.is_file() and READY.read_text() == fingerprint() and ask(PYTHON, "import torch; print(True)"):
        READY.touch()
        return
    make_venv()
    READY.unlink(missing_ok=True)
    install(skip_torch=borrow_torch())
    READY.write_text(fingerprint())
    print(f"{VENV} is ready.")


def check_python() -> None:
    if sys.version_info < (3, 10):
        stop(f"this is Python {sys.version.split()[0]}; version 3.10 or newer is needed. With another one installed, "
             "call it by its name: make demo PYTHON=python3.12")
    if sys.maxsize < 2**32:
        stop("this Python is a 32-bit one and torch exists for 64 bits only: install the 64-bit Python.")


def fingerprint() -> str:
    """What the environment depends on: the pins and this file."""
    return hashlib.sha256(REQUIREMENTS.read_bytes() + Path(__file__).read_bytes()).hexdigest()


def ask(python: Path, code: str) -> str:
    """What `code` prints under that Python; empty if it fails in any way."""
    try:
        return subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def is_ours() -> bool:
    """True if the calling Python is the one in .venv."""
    return Path(sys.prefix).resolve() == VENV.resolve()


def make_venv() -> None:
    """A new .venv, or the one that is there with what an interrupted run left out."""
    if ask(PYTHON, "import pip, sys; print(sys.version_info >= (3, 10))") == "True":
        return
    if is_ours():
        stop(f"the Python that runs this lives in {VENV}, which is broken: deactivate it, delete it and try again.")
    for module in ("venv", "ensurepip"):
        if importlib.util.find_spec(module) is None:
            stop(f"this Python has no '{module}' module. On Debian and Ubuntu: sudo apt install "
                 f"python{sys.version_info[0]}.{sys.version_info[1]}-venv. Elsewhere install Python from python.org.")
    sound = ask(PYTHON, "import sys; print(sys.version_info >= (3, 10))") == "True"
    run([sys.executable, "-m", "venv", *([] if sound else ["--clear"]), str(VENV)], f"{VENV} could not be made")


def borrow_torch() -> bool:
    """Let .venv see the torch of the calling Python, if it has one that is new enough. True if .venv then imports it.

    Its folders go at the end of the path (a .pth file), so our pinned packages win. Unlike --system-site-packages this
    also works when the calling Python is itself a virtual environment, such as ComfyUI's.
    """
    link = Path(ask(PYTHON, "import sysconfig; print(sysconfig.get_path('purelib'))")) / "animate124_torch.pth"
    link.unlink(missing_ok=True)
    if TORCH_INDEX or is_ours() or has_torch(PYTHON) or not has_torch(Path(sys.executable)):
        return False
    folders = [p for p in sys.path if Path(p).name in ("site-packages", "dist-packages")]
    link.write_text("\n".join(folders) + "\n")
    if has_torch(PYTHON):
        print(f"The torch of {sys.executable} is used: nothing to download for it.", flush=True)
        return True
    link.unlink()
    return False


def has_torch(python: Path) -> bool:
    version = ask(python, "import torch; print(torch.__version__)").split(".")[:2]
    return len(version) == 2 and all(part.isdigit() for part in version) and tuple(map(int, version)) >= OLDEST_TORCH


def install(skip_torch: bool) -> None:
    lines = [line.split("#")[0].strip() for line in REQUIREMENTS.read_text().splitlines()]
    torch = [line for line in lines if line.startswith("torch==")]
    rest = [line for line in lines if line and line not in torch]
    pip = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check"]
    advice = "pip could not install everything (its own words are above). Check the network and the free disk space, " \
             "then run the same command again: what is there already is kept"
    if not skip_torch:
        run([*pip, *torch, *(["--index-url", TORCH_INDEX] if TORCH_INDEX else [])], advice)
    run([*pip, *rest], advice)


def run(command: list[str], advice: str) -> None:
    if subprocess.run(command, cwd=ROOT).returncode != 0:
        stop(advice + ".")


def stop(why: str) -> None:
    sys.exit(f"setup: {why}")


if __name__ == "__main__":
    main()
