"""What is observed of one run while it goes on."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from harness.processes import peak_megabytes
from harness.server import World, WorldServer

LOOK_EVERY_SECONDS = 0.1

_groups: set[int] = set()
"""The process groups of running runs."""


@dataclass(frozen=True)
class Candidate:
    """A candidate that entered an optimizer's pool."""

    at_ms: float
    """Milliseconds since 1970."""
    score: float
    """Mean score on the pareto set, as the optimizer saw it."""
    text: str


@dataclass
class Observed:
    """One finished process, and what the server's books said meanwhile."""

    exit_code: int | None = None
    """Nothing where the process was ended for taking too long."""
    process_seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_megabytes: float = 0.0
    books: list[tuple[int, int]] = field(default_factory=list)
    """Policy calls and tokens, in the order seen."""
    lines: list[dict[str, Any]] = field(default_factory=list)
    """What a driver said on stdout."""
    error: str = ""
    """The end of what it said on stderr."""


def observe(
    command: list[str],
    directory: Path,
    server: WorldServer,
    world: World,
    run: str,
    limit_seconds: float,
) -> Observed:
    """Runs a command to its end, or until its time is over."""
    seen = Observed()
    began = time.monotonic()
    out, err = directory / "stdout.log", directory / "stderr.log"
    with out.open("w") as out_file, err.open("w") as err_file:
        process = _start(command, directory, out_file, err_file)
        _groups.add(process.pid)
        waiter = threading.Thread(target=_reap, args=(process.pid, seen, began))
        waiter.start()
        while waiter.is_alive():
            seen.peak_megabytes = max(seen.peak_megabytes, peak_megabytes(process.pid))
            seen.books.append(_books(server, world, run))
            waiter.join(LOOK_EVERY_SECONDS)
            if time.monotonic() - began > limit_seconds and waiter.is_alive():
                os.killpg(process.pid, signal.SIGKILL)
                waiter.join()
                seen.exit_code = None
        process.returncode = 0  # reaped above; there is nothing left to wait for
        _groups.discard(process.pid)
    seen.books.append(_books(server, world, run))
    seen.lines = [json.loads(line) for line in out.read_text().splitlines() if line.startswith("{")]
    seen.error = err.read_text()[-2000:]
    return seen


def end_all() -> None:
    """Ends every running run; its group would outlive this process."""
    for group in list(_groups):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


def _start(
    command: list[str], directory: Path, out: IO[str], err: IO[str]
) -> subprocess.Popen[bytes]:
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.Popen(
        command,
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=err,
        env=environment | {"PYTHONDONTWRITEBYTECODE": "1"},
        start_new_session=True,
    )


def _reap(pid: int, seen: Observed, began: float) -> None:
    """Waits for one process: only `wait4` gives its CPU time, children included."""
    _, status, usage = os.wait4(pid, 0)
    seen.process_seconds = time.monotonic() - began
    seen.exit_code = os.waitstatus_to_exitcode(status)
    seen.cpu_seconds = usage.ru_utime + usage.ru_stime


def _books(server: WorldServer, world: World, run: str) -> tuple[int, int]:
    ledger = server.ledger(world, run)
    return ledger["policy_calls"], ledger["prompt_tokens"] + ledger["completion_tokens"]
