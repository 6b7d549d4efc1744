"""A proxy in front of a real task app: it passes everything on, writes down every rollout, and can
be slow, fail before or after the app has worked, or refuse connections."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

NOT_PASSED_ON = {"host", "connection", "content-length", "transfer-encoding", "keep-alive"}


@dataclass
class Rollout:
    """One rollout request as the app got it, and the result."""

    request: dict[str, Any]
    status: int = 0
    response: dict[str, Any] = field(default_factory=dict)


@dataclass
class Behaviour:
    """What goes wrong; `every` n-th rollout is concerned, counted from when it is set."""

    delay_seconds: float = 0.0
    status_before: int | None = None
    status_after: int | None = None
    every: int = 1


class AppProxy:
    """Listens on loopback until `close`; `url` stays the same over `refuse` and `accept`."""

    def __init__(self, app_url: str) -> None:
        self.app_url = app_url
        limits = httpx.Limits(max_connections=200, max_keepalive_connections=100)
        self.client = httpx.Client(base_url=app_url, timeout=120, limits=limits)
        self.lock = threading.Lock()
        self.rollouts: list[Rollout] = []
        self.in_flight = 0
        self.max_in_flight = 0
        self.behaviour = Behaviour()
        self.counted = 0
        self.server = self.listen(0)
        self.port = int(self.server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}"

    def behave(self, behaviour: Behaviour | None = None) -> None:
        with self.lock:
            self.behaviour = behaviour or Behaviour()
            self.counted = 0

    def forget(self) -> None:
        """Starts the account of rollouts anew."""
        with self.lock:
            self.rollouts = []
            self.max_in_flight = 0

    def refuse(self) -> None:
        """Stops listening, so that connections are refused."""
        self.server.shutdown()
        self.server.server_close()

    def accept(self) -> None:
        self.server = self.listen(self.port)

    def close(self) -> None:
        self.refuse()
        self.client.close()

    def listen(self, port: int) -> ThreadingHTTPServer:
        server = Server(("127.0.0.1", port), Handler)
        server.proxy = self
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return server

    def faults_of_next(self) -> Behaviour:
        with self.lock:
            self.counted += 1
            concerned = self.counted % self.behaviour.every == 0
            return self.behaviour if concerned else Behaviour()

    def entered(self, rollout: Rollout) -> None:
        with self.lock:
            self.rollouts.append(rollout)
            self.in_flight += 1
            self.max_in_flight = max(self.max_in_flight, self.in_flight)

    def left(self) -> None:
        with self.lock:
            self.in_flight -= 1


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    proxy: AppProxy


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.pass_on(b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if not self.path.startswith("/rollout"):
            self.pass_on(body)
            return
        proxy = self.server.proxy
        rollout = Rollout(json.loads(body))
        proxy.entered(rollout)
        # A rollout ends before its answer is written: the next one may begin as soon as that is read.
        try:
            answer = self.roll_out(proxy, rollout, body)
        finally:
            proxy.left()
        self.answer(*answer)

    def roll_out(self, proxy: AppProxy, rollout: Rollout, body: bytes) -> tuple[int, bytes, str]:
        faults = proxy.faults_of_next()
        time.sleep(faults.delay_seconds)
        if faults.status_before is not None:
            rollout.status = faults.status_before
            return faults.status_before, b"Internal Server Error", "text/plain"
        reply = self.ask(body)
        if faults.status_after is not None:
            rollout.status = faults.status_after
            return faults.status_after, b"Internal Server Error", "text/plain"
        rollout.status = reply.status_code
        if reply.status_code == 200:
            rollout.response = reply.json()
        return reply.status_code, reply.content, reply.headers.get("content-type", "")

    def pass_on(self, body: bytes) -> None:
        reply = self.ask(body)
        self.answer(reply.status_code, reply.content, reply.headers.get("content-type", ""))

    def ask(self, body: bytes) -> httpx.Response:
        headers = {
            name: value
            for name, value in self.headers.items()
            if name.lower() not in NOT_PASSED_ON
        }
        return self.server.proxy.client.request(
            self.command, self.path, content=body, headers=headers
        )

    def answer(self, status: int, body: bytes, content_type: str) -> None:
        try:
            self.send_response(status)
            self.send_header("content-type", content_type)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
