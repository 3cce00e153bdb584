"""Processes of this computer and of others: which one wrote a file, and whether it still runs."""

from __future__ import annotations

import hashlib
import os
import socket
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

SAME_START = 5.0  # seconds: a start time moves a little when the clock is set


@dataclass(frozen=True)
class ProcessIdentity:
    """A process on a host. A number is used again by later processes, so the start time belongs to it."""

    host: str  # see host_name
    pid: int
    started: float  # seconds since 1970

    @property
    def is_local(self) -> bool:
        """Whether this computer can say if it runs."""
        return self.host == host_name()

    def is_running(self) -> bool:
        """Return whether it runs on this computer."""
        started = start_time(self.pid)
        return started is not None and abs(started - self.started) < SAME_START

    def is_gone(self) -> bool:
        """Return whether it ended: no process has its number, or the caller, who is not it. Where another start time
        has it, a later process has its number, or the clock was set since."""
        return self.pid == os.getpid() or start_time(self.pid) is None

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host.partition('/')[0]}"


def this_process() -> ProcessIdentity:
    """Return the identity of the caller's process."""
    return ProcessIdentity(host_name(), os.getpid(), start_time(os.getpid()) or 0.0)


@lru_cache(maxsize=1)
def host_name() -> str:
    """Return the computer's name; on Linux with its namespace of process numbers, of which each container has one."""
    try:
        return f"{socket.gethostname()}/{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:  # another system
        return socket.gethostname()


def host_code() -> str:
    """Return eight hexadecimal digits of host_name, for names of files."""
    return hashlib.sha256(host_name().encode()).hexdigest()[:8]


def start_code(pid: int) -> str | None:
    """Return hexadecimal digits of when a process of this computer started, for names of files; None if it does not run
    any more. On Linux they count from the start of the system: start_time moves there when the clock is set."""
    started = start_time(pid)
    if started is None:
        return None
    try:
        ticks = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
        return f"{int(ticks):x}"
    except (OSError, ValueError, IndexError):  # another system, which keeps the time as it was
        return f"{int(started):x}"


def start_time(pid: int) -> float | None:
    """Return when a process of this computer started, in seconds since 1970; None if it does not run any more."""
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except (psutil.NoSuchProcess, ValueError):
        return None
    except psutil.AccessDenied:  # it runs, for somebody else
        return 0.0
