"""A NATS server, and workers that take rollouts of jobs from it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import world


class Queue:
    """A NATS server in a folder of its own. GEPA_NATS_SERVER names the program."""

    def __init__(self, folder: str, more: list[str] | None = None) -> None:
        self._folder = folder
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port = listener.getsockname()[1]
        self.url = f"nats://127.0.0.1:{self.port}"
        program = os.environ["GEPA_NATS_SERVER"]
        self._command = [program, "-a", "127.0.0.1", "-p", str(self.port), "-js", "-sd", f"{folder}/nats", *(more or [])]
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self._command, cwd=self._folder, stderr=subprocess.DEVNULL)
        for _ in range(500):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                time.sleep(0.02)
        raise SystemExit("the NATS server does not start")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class Worker:
    """A `gepa worker` process with the config of the jobs."""

    def __init__(self, gepa: str, queue: str, config: Path, environment: dict[str, str], slots: int) -> None:
        self._command = [gepa, "worker", "--evaluator", str(config), "--queue", queue, "--slots", str(slots)]
        # A killed worker's rollouts go to others after this many seconds; a random one is killed every few.
        self._command += ["--lost-after", "3", "--deliveries", "50"]
        self._environment = environment
        self._folder = config.parent
        self.start()

    def start(self) -> None:
        log = open(self._folder / "workers.log", "a")
        self.process = subprocess.Popen(
            self._command, env=self._environment, cwd=self._folder, stdout=subprocess.DEVNULL, stderr=log
        )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def write_config(path: Path, app: str, budget: int) -> Path:
    """The config of the jobs as a file. What differs between jobs decides no outcome of a rollout."""
    body = world.submission(app, budget, 0)["config_body"]
    path.write_text("".join(f"{name} = {toml(value)}\n" for name, value in body.items()))
    return path


def toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {toml(inner)}" for name, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)
