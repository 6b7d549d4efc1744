"""A Python function as the evaluator of a config, for `gepa run` and for workers.

In the config:

    [evaluator]
    kind = "process"
    command = ["python3", "-m", "gepa_engine.evaluator", "metric:score"]

`metric:score` is the function `score` of the module `metric`, which is looked for in the config's folder. It gets a
candidate and an `Example` and returns a score, or a dictionary with `score` and any of `feedback`, `output`,
`objectives`, `trace` and `usage`.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, Any

from ._evaluating import Waiter

#: Where the process with the function listens, while `gepa_engine.worker` runs.
BRIDGE = "GEPA_ENGINE_BRIDGE"
PASSING = (ConnectionError, TimeoutError)


@dataclass(frozen=True)
class Example:
    """The example that a candidate is to be judged on."""

    #: The example's id, a number or a text.
    id: int | str
    #: The row's inputs; empty without a data set.
    fields: dict[str, Any] = field(default_factory=dict)
    #: The row's answer, where the data set has one.
    expected: str | None = None
    #: Everything else that the engine says about the rollout: `stage`, `attempt`, `wants_trace` and more.
    request: dict[str, Any] = field(default_factory=dict)


Function = Callable[[dict[str, str], Example], Any]


def serve(function: Function, reading: IO[bytes], writing: IO[bytes], count: Callable[[], None] = lambda: None) -> None:
    """Answers each rollout that comes in as a line, until the input ends. Calls `count` before each answer."""
    wait = Waiter()
    _say(writing, {"protocol": 1})
    try:
        for line in reading:
            request = json.loads(line)
            answer = _answer(function, request, wait)
            count()
            _say(writing, {"id": request["id"], **answer})
    except (BrokenPipeError, ConnectionError):
        # The engine has given up on this rollout.
        pass
    finally:
        wait.close()


def _answer(function: Function, request: dict[str, Any], wait: Waiter) -> dict[str, Any]:
    example = Example(request["example"], request.get("fields") or {}, request.get("expected"), request)
    try:
        answer = wait(function(request["candidate"], example))
        if isinstance(answer, dict):
            # An answer that is no JSON is an error of this rollout, and not the end of the process.
            json.dumps(answer, allow_nan=False)
            return answer
        return {"score": _finite(answer)}
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        kind = "transient" if isinstance(error, PASSING) else "permanent"
        return {"error": {"kind": kind, "message": f"{type(error).__name__}: {error}"}}


def _finite(score: Any) -> float:
    number = float(score)
    if number - number != 0.0:
        raise ValueError(f"the function returned a score of {number}")
    return number


def _say(writing: IO[bytes], line: dict[str, Any]) -> None:
    writing.write(json.dumps(line).encode() + b"\n")
    writing.flush()


def function_of(name: str) -> Function:
    """The function that `MODULE:FUNCTION` names."""
    module, separator, attribute = name.partition(":")
    if not separator:
        raise SystemExit(f"name the function as MODULE:FUNCTION, such as metric:score; {name!r} has no colon")
    sys.path.insert(0, os.getcwd())
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise SystemExit(f"{name}: {error}; the module is looked for in {os.getcwd()} and in Python's path") from error
    if not callable(found):
        raise SystemExit(f"{name} is no function; it is {type(found).__name__}")
    return found  # type: ignore[no-any-return]


def _bridge(address: str) -> None:
    """Passes the lines on to the process with the function. When that one ends, this worker ends too."""
    port, token = address.split(":")
    try:
        connection = socket.create_connection(("127.0.0.1", int(port)))
        connection.sendall(token.encode() + b"\n")
    except OSError:
        _end_worker()
        return

    def pass_on() -> None:
        with contextlib.suppress(OSError):
            for line in sys.stdin.buffer:
                connection.sendall(line)
            connection.shutdown(socket.SHUT_WR)
        over.set()

    over = threading.Event()
    threading.Thread(target=pass_on, daemon=True).start()
    with contextlib.suppress(OSError):
        for line in connection.makefile("rb"):
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
    if not over.is_set():
        _end_worker()


def _end_worker() -> None:
    """Without the function no rollout can be answered. Work of a worker that is gone goes to others."""
    os.kill(os.getppid(), getattr(signal, "SIGKILL", signal.SIGTERM))


def main() -> None:
    """Serves the function that the command line names, on stdin and stdout."""
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m gepa_engine.evaluator MODULE:FUNCTION")
    address = os.environ.get(BRIDGE)
    if address is not None:
        return _bridge(address)
    function = function_of(sys.argv[1])
    writing = sys.stdout.buffer
    # What the function prints is no part of the protocol.
    sys.stdout = sys.stderr
    serve(function, sys.stdin.buffer, writing)


if __name__ == "__main__":
    main()
