"""Rollouts of runs on other machines, executed by a Python function in this process."""

from __future__ import annotations

import hmac
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

from .evaluator import BRIDGE, Function, serve


def worker(
    evaluator: Function,
    *,
    config: str | os.PathLike[str],
    queue: str | None = None,
    slots: int = 8,
    lost_after: int = 10,
    deliveries: int = 5,
) -> int:
    """Executes rollouts of the runs that want this config's evaluator, until Ctrl-C. Returns their number.

    The config is that of the runs, and its evaluator is `python3 -m gepa_engine.evaluator MODULE:FUNCTION`. Here
    `evaluator` is called instead of what the config names, on threads of this process, as many at once as
    `evaluator.processes` says. It gets a candidate and an `Example` and returns what such a function returns. The
    first Ctrl-C lets the calls in hand end, the second drops them; other workers get them.

    Args:
        evaluator: The function; `async def` works too.
        config: The config file of the runs. Workers offer what it says: a run with other rows, another evaluator or
            another version gets nothing from them.
        queue: The NATS server, as `nats://HOST:4222`; without it that of the config or of `GEPA_QUEUE`. Credentials
            come from the environment.
        slots: Messages worked on at once.
        lost_after: Seconds without a sign of life after which the rollouts of a worker go to others.
        deliveries: How often a rollout is given to a worker. When each of them was lost, it has failed.
    """
    token, counted = secrets.token_hex(32), _Counter()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_accept, args=(listener, token, evaluator, counted), daemon=True).start()
        arguments = [_program(), "worker", "--evaluator", str(config), "--slots", str(slots)]
        arguments += ["--lost-after", str(lost_after), "--deliveries", str(deliveries)]
        if queue is not None:
            arguments += ["--queue", queue]
        environment = {**os.environ, BRIDGE: f"{listener.getsockname()[1]}:{token}"}
        # A session of its own, so that Ctrl-C reaches it once and through this process.
        program = subprocess.Popen(arguments, env=environment, start_new_session=True)
        try:
            code = _wait(program)
        except BaseException:
            program.kill()
            raise
    if code:
        raise RuntimeError(f"gepa worker ended with code {code}; its message is above")
    return counted.value


class _Counter:
    """Counts over threads."""

    def __init__(self) -> None:
        self.value = 0
        self._lock = threading.Lock()

    def add_one(self) -> None:
        with self._lock:
            self.value += 1


def _wait(program: subprocess.Popen[bytes]) -> int:
    while True:
        try:
            return program.wait()
        except KeyboardInterrupt:
            program.send_signal(signal.SIGINT if os.name == "posix" else signal.SIGTERM)


def _accept(listener: socket.socket, token: str, function: Function, counted: _Counter) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_answer, args=(connection, token, function, counted), daemon=True).start()


def _answer(connection: socket.socket, token: str, function: Function, counted: _Counter) -> None:
    with connection, connection.makefile("rb") as reading, connection.makefile("wb") as writing:
        if hmac.compare_digest(reading.readline(len(token) + 1).rstrip(b"\n"), token.encode()):
            serve(function, reading, writing, counted.add_one)


def _program() -> str:
    """The command `gepa` that the wheel installs beside the interpreter."""
    name = "gepa.exe" if os.name == "nt" else "gepa"
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.is_file() else shutil.which("gepa")
    if found is None:
        raise FileNotFoundError("the command gepa is not there; install the wheel of gepa-engine")
    return found
