"""Child processes with logs: started on loopback, waited for, and always ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path


class NotReady(Exception):
    """A process ended or did not come up in the time allowed."""


class Process:
    """A child process in a group of its own, its output in `log`."""

    def __init__(
        self,
        command: Sequence[str | Path],
        log: Path,
        environment: Mapping[str, str],
        folder: Path,
    ) -> None:
        self.log = log
        with log.open("ab") as output:
            self.child = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                cwd=folder,
                start_new_session=True,
            )

    def is_running(self) -> bool:
        return self.child.poll() is None

    def wait(self, seconds: float) -> int:
        """The exit code; kills the process and raises when it takes longer."""
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise NotReady(f"{self.child.args[0]} took over {seconds:.0f} s; {self.tail()}") from None

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.child.wait()

    def terminate(self, seconds: float = 15) -> int:
        """Asks it to end, and the exit code; kills it when it takes longer."""
        self.signal(signal.SIGTERM)
        return self.wait(seconds)

    def signal(self, number: int) -> None:
        if self.is_running():
            os.killpg(self.child.pid, number)

    def tail(self, characters: int = 1500) -> str:
        text = self.log.read_text(encoding="utf-8", errors="replace")
        return f"{self.log} ends: {text[-characters:]}"


class Processes:
    """All processes of a run, ended together."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self.started: list[Process] = []

    def start(
        self,
        name: str,
        command: Sequence[str | Path],
        environment: Mapping[str, str],
        folder: Path,
    ) -> Process:
        process = Process(command, self.logs / f"{name}.log", environment, folder)
        self.started.append(process)
        return process

    def end_all(self) -> None:
        for process in self.started:
            process.signal(signal.SIGTERM)
        deadline = time.monotonic() + 5
        for process in self.started:
            try:
                process.child.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_until(
    what: str,
    is_done: Callable[[], bool],
    seconds: float,
    process: Process | None = None,
    every: float = 0.1,
) -> None:
    """Returns when `is_done`; raises when `process` ends before or the time is over."""
    deadline = time.monotonic() + seconds
    while not is_done():
        if process is not None and not process.is_running():
            raise NotReady(f"{what}: the process ended with {process.child.returncode}; {process.tail()}")
        if time.monotonic() > deadline:
            note = f"; {process.tail()}" if process is not None else ""
            raise NotReady(f"{what}: not within {seconds:.0f} s{note}")
        time.sleep(every)
