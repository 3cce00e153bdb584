"""What nodes that write files share: the name, validated when a job is queued and numbered when it is done."""

from __future__ import annotations

from pathlib import Path

from ...a124core.utils.validate import plain_name
from ..declarations import NODE_ID, Node, Spec, text
from ..host.folders import output_folder, output_relative_path
from ..host.name_tokens import fill
from ..queued import panel_text


def name_input(default: str, target: str = "file") -> Spec:
    """Declare the name under which a node saves its target."""
    return text(default, (
        f"Name of the {target} in output/animate124; a number is appended, nothing is overwritten. "
        "Tokens as in Save Image: %date:yyyy-MM-dd%, or %Node.widget% for a value of another node."
    ))


class SavingNode(Node):
    """A node that writes a file or folder of a chosen name into our output folder."""

    CATEGORY = "Animate124/4 Result"
    OUTPUT_NODE = True
    HIDDEN = NODE_ID

    @classmethod
    def VALIDATE_INPUTS(cls, name: str | None = None) -> bool | str:
        """Return True, or why nothing can be saved under this name."""
        try:
            check_name(name)
        except ValueError as error:
            return panel_text(str(error))
        return True


def check_name(name: str | None) -> None:
    """Refuse a name under which nothing can be saved; None comes by a wire, so that only the run can tell."""
    if name is not None:
        _checked_prefix(fill(name))


def free_path(prefix: str, suffix: str, size: tuple[int, int] = (0, 0)) -> Path:
    """Return the next unused numbered path in our output folder, of a file, or of a folder where suffix is empty;
    size (width, height) fills the host's tokens."""
    start = _checked_prefix(fill(prefix, size))
    start.parent.mkdir(parents=True, exist_ok=True)
    number = 1
    while (path := start.with_name(f"{start.name}_{number:05}_{suffix}")).exists():
        number += 1
    return path


def saved(path: Path) -> str:
    """Tell the user where a file or folder is, without a full stop: one would look like a part of the name."""
    return f"Saved in the output folder as {output_relative_path(path)}{'/' if path.is_dir() else ''}"


def _checked_prefix(prefix: str) -> Path:
    """Resolve a name below our output folder, before a number and a suffix follow. Nothing is created."""
    root = output_folder().resolve()
    start = (root / plain_name(prefix)).resolve()
    if root not in start.parents:  # a link inside the folder may lead out of it
        raise ValueError(f"the name {prefix!r} does not stay in {root}: use a plain name such as 'field'.")
    for folder in start.relative_to(root).parents:
        if (root / folder).exists() and not (root / folder).is_dir():
            raise ValueError(f"the name {prefix!r} needs a folder where {root / folder} is a file: use another name.")
    return start
