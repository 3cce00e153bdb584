"""The host's user interface: progress bar, cancel, text on a node, events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...a124core.utils.progress import OnProgress
from .runtime import host_module

Report = Callable[[int, Any], None]  # steps done, a PIL picture or None


def stop_if_cancelled() -> None:
    """Raises the host's own exception when the user pressed cancel. Called every step: its bar looks too rarely."""
    management = host_module("comfy.model_management")
    if management is not None:
        management.throw_exception_if_processing_interrupted()


def progress(total: int, node_id: str | None = None) -> Report:
    """The node's progress bar: call it with the steps done and, now and then, a picture to show."""
    utils = host_module("comfy.utils")
    if utils is None:
        return lambda done, picture=None: None
    bar, told = utils.ProgressBar(total, node_id=node_id), -1

    def report(done: int, picture: Any = None) -> None:
        nonlocal told
        if done == told and picture is None:
            return  # work that only listens for a cancel: nothing has moved
        told = done
        bar.update_absolute(done, total, None if picture is None else ("JPEG", picture, max(picture.size)))

    return report


def progress_callback(node_id: str | None = None) -> OnProgress:
    """Return a callback that moves the node's bar, shows the text on the node and raises if the user cancels."""
    report: Report | None = None
    last: tuple[int, str] | None = None

    def on_progress(done: int, total: int, text: str) -> None:
        nonlocal report, last
        stop_if_cancelled()
        report = report or progress(total, node_id)
        if (done, text) != last:
            report(done, None)
            if text:
                show_text(node_id, f"{done} of {total}: {text}")
        last = (done, text)

    return on_progress


def show_text(node_id: str | None, text: str) -> None:
    """Show a line of text on the node."""
    server = getattr(getattr(host_module("server"), "PromptServer", None), "instance", None)
    if server is not None and node_id is not None and hasattr(server, "send_progress_text"):
        server.send_progress_text(text, node_id, server.client_id)


def send(event: str, values: dict[str, Any]) -> None:
    """An event with a few figures, to the browser that queued the job."""
    server = getattr(getattr(host_module("server"), "PromptServer", None), "instance", None)
    if server is not None:
        server.send_sync(event, values, server.client_id)
