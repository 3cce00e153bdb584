"""Other people's programs, into .venv/clients: Blender as a module, USD, two glTF readers, Khronos' validator.

    python tests/clients/setup_clients.py

bpy has wheels for some Pythons only: one of those is searched by name. It is a download of some 400 MB.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / ".venv" / "clients"
PYTHONS = ("python3.11", "python3.13")  # those that bpy 5 has wheels for
PACKAGES = ("bpy>=5,<6", "usd-core", "pygltflib", "trimesh")
VALIDATOR = "gltf-validator"


def main() -> int:
    python = next((p for p in PYTHONS if works(p)), None)
    if python is None or shutil.which("npm") is None:
        print(f"setup: the clients need npm and one of {', '.join(PYTHONS)} (for Blender's bpy): install them first.")
        return 1
    subprocess.run([python, "-m", "venv", str(FOLDER)], check=True)
    subprocess.run([str(FOLDER / "bin" / "python"), "-m", "pip", "install", "-q", *PACKAGES], check=True)
    subprocess.run(["npm", "install", "--silent", "--prefix", str(FOLDER), VALIDATOR], check=True)
    return 0


def works(python: str) -> bool:
    """Return whether this Python is installed and has venv; a shim may stand for one that is not."""
    path = shutil.which(python)
    return path is not None and subprocess.run([path, "-c", "import venv"], capture_output=True).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
