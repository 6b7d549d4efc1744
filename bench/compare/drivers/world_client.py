"""Talking to a world from a driver: one kept connection per thread, nothing else.

Plain `http.client` costs a fraction of the client library that the reference ships with its default
adapter, so the CPU time measured is the optimizer's and not that library's.
"""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit


class Model:
    """One model of a run on the world server."""

    def __init__(self, base: str, name: str, temperature: float | None) -> None:
        address = urlsplit(base)
        self._host, self._port = address.hostname, address.port
        self._path = f"{address.path}/v1/chat/completions"
        self._name, self._temperature = name, temperature
        self._local = threading.local()

    def complete(self, messages: list[dict[str, str]]) -> str:
        """The reply to a chat; raises where the server answers anything but 200."""
        body: dict[str, Any] = {"model": self._name, "messages": messages}
        if self._temperature is not None:
            body["temperature"] = self._temperature
        status, answer = self._post(json.dumps(body))
        if status != 200:
            raise RuntimeError(f"status {status}: {answer[:200]!r}")
        return json.loads(answer)["choices"][0]["message"]["content"]

    def _post(self, body: str) -> tuple[int, bytes]:
        connection = self._connection()
        try:
            connection.request("POST", self._path, body, {"content-type": "application/json"})
            response = connection.getresponse()
            return response.status, response.read()
        except (http.client.HTTPException, OSError):
            self._local.connection = None
            raise

    def _connection(self) -> http.client.HTTPConnection:
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=120)
            connection.connect()
            # Headers and body go out in two writes, which would wait for each other.
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._local.connection = connection
        return connection


class Reflector:
    """The reflection model as the reference wants it: a callable, with the batched form."""

    def __init__(self, base: str, concurrent: int) -> None:
        self._model = Model(base, "reflector", None)
        self._pool = ThreadPoolExecutor(concurrent)

    def __call__(self, prompt: str | list[dict[str, str]]) -> str:
        messages = prompt
        if isinstance(prompt, str):
            messages = [{"role": "user", "content": prompt}]
        return self._model.complete(messages)

    def batch_complete(self, many: list[list[dict[str, str]]]) -> list[str]:
        """All at once, as the reference's own client does it."""
        return list(self._pool.map(self, many))


def tell(event: str, **fields: Any) -> None:
    """One line for the harness; it happened now unless `at_ms` says otherwise."""
    print(json.dumps({"event": event, "at_ms": time.time() * 1e3, **fields}), flush=True)
