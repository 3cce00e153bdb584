"""The host's user interface: progress bar, cancel, text on a node, events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...a124core.utils.progress import OnProgress
from .runtime import host_module

ProgressBar = Callable[[int, Any], None]  # steps done, a PIL image to show or None


def stop_if_cancelled() -> None:
    """Raise the host's own exception when the user has cancelled. Call it every step: the bar checks too rarely."""
    management = host_module("comfy.model_management")
    if management is not None:
        management.throw_exception_if_processing_interrupted()


def progress(total: int, node_id: str | None = None) -> ProgressBar:
    """Return the node's progress bar: call it with the steps done and, now and then, a preview."""
    utils = host_module("comfy.utils")
    if utils is None:
        return lambda done, preview=None: None
    bar, last = utils.ProgressBar(total, node_id=node_id), -1

    def update(done: int, preview: Any = None) -> None:
        nonlocal last
        if done == last and preview is None:
            return  # called for the sake of a cancel alone
        last = done
        bar.update_absolute(done, total, None if preview is None else ("JPEG", preview, max(preview.size)))

    return update


def progress_callback(node_id: str | None = None) -> OnProgress:
    """Return a callback that moves the node's bar, shows the text on the node and raises if the user cancels."""
    update, length = None, 0
    last: tuple[int, str] | None = None

    def on_progress(done: int, total: int, text: str) -> None:
        nonlocal update, length, last
        stop_if_cancelled()
        if update is None or total != length:  # the next part of the work has a bar of its own
            update, length = progress(total, node_id), total
        if (done, text) != last:
            update(done, None)
            if text:
                show_text(node_id, f"{done} of {total}: {text}", running=True)
        last = (done, text)

    return on_progress


def is_cancel(error: BaseException) -> bool:
    """Check whether an error is the host's sign that the user has cancelled, or no error at all, as Ctrl+C."""
    kind = getattr(host_module("comfy.model_management"), "InterruptProcessingException", KeyboardInterrupt)
    return isinstance(error, kind) or not isinstance(error, Exception)


def show_text(node_id: str | None, text: str, running: bool = False, picture: str | None = None) -> None:
    """Show a text on the node, the important line first; running: of work that may still be cancelled; picture: a data
    URL that stays with it."""
    if node_id is not None:
        send("animate124.text", {"node": node_id, "text": text, "running": running, "picture": picture})


def output(text: str, *result: Any, **entries: Any) -> dict[str, Any]:
    """Return a node's result with the text that stays on it; the host keeps both, and sends them for a cached node."""
    return {"ui": {"text": [text], **entries}, "result": result}


def send(event: str, values: dict[str, Any]) -> None:
    """Send an event with a few figures to the browser that queued the job."""
    server = _server()
    if server is not None:
        server.send_sync(event, values, server.client_id)


def _server() -> Any:
    return getattr(getattr(host_module("server"), "PromptServer", None), "instance", None)
