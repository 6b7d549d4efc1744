"""The real SDK, command line and queue as child processes."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from processes import Process
from world import HERE, World

NUMBERS = count(1)


@dataclass
class Running:
    """A client at work; `returned` waits for it."""

    process: Process
    output: Path

    def returned(self, seconds: float) -> dict[str, Any]:
        code = self.process.wait(seconds)
        if not self.output.exists():
            raise AssertionError(f"the client ended with {code}: {self.process.tail()}")
        return dict(json.loads(self.output.read_text(encoding="utf-8")))


def start_sdk(
    world: World,
    config: Path,
    overrides: Mapping[str, Any] | None = None,
    seconds: float = 150,
    only_submit: bool = False,
) -> Running:
    name = f"sdk_{next(NUMBERS)}"
    output = world.folder / "logs" / f"{name}.json"
    command: list[str | Path] = [
        sys.executable,
        HERE / "drive_sdk.py",
        config,
        f"{world.backend.url}/api",
        json.dumps(dict(overrides or {})),
        str(seconds),
        output,
    ]
    if only_submit:
        command.append("submit")
    process = world.processes.start(name, command, world.environment(), config.parent)
    return Running(process, output)


def submit(world: World, config: Path, overrides: Mapping[str, Any] | None = None) -> str:
    """Submits with the SDK and does not wait for the end."""
    returned = start_sdk(world, config, overrides, only_submit=True).returned(60)
    if "job_id" not in returned:
        raise AssertionError(f"the SDK raised {returned.get('raised')}")
    return str(returned["job_id"])


def start_cli(world: World, config: Path, *more: str) -> Process:
    """`python -m synth_ai.cli train`, as people run it."""
    command: Sequence[str | Path] = [
        sys.executable,
        "-m",
        "synth_ai.cli",
        "train",
        config,
        "--poll",
        "--poll-interval",
        "0.5",
        *more,
    ]
    environment = world.environment(SYNTH_BACKEND_OVERRIDE=world.backend.url)
    return world.processes.start(f"cli_{next(NUMBERS)}", command, environment, config.parent)


def start_cli_command(world: World, *arguments: str) -> Process:
    """Another command of the real command line."""
    environment = world.environment(
        SYNTH_BACKEND_OVERRIDE=world.backend.url, BACKEND_BASE_URL=f"{world.backend.url}/api"
    )
    command = [sys.executable, "-m", "synth_ai.cli", *arguments]
    return world.processes.start(f"cli_{next(NUMBERS)}", command, environment, world.folder)


def start_queue(
    world: World,
    jobs: Sequence[Mapping[str, Any]],
    train_command: str,
) -> Running:
    """An experiment of these jobs on a queue of its own, with `gepa train` as its command."""
    name = f"queue_{next(NUMBERS)}"
    folder = world.folder / name
    folder.mkdir()
    output = world.folder / "logs" / f"{name}.json"
    environment = world.backend_environment(
        EXPERIMENT_QUEUE_BROKER_URL="memory://",
        EXPERIMENT_QUEUE_RESULT_BACKEND_URL="cache+memory://",
        EXPERIMENT_QUEUE_DB_PATH=str(folder / "queue.db"),
        EXPERIMENT_QUEUE_BACKEND_URL=f"{world.backend.url}/api",
        EXPERIMENT_QUEUE_TRAIN_CMD=train_command,
    )
    spec = json.dumps({"name": name, "parallelism": 1, "jobs": list(jobs)})
    command = [sys.executable, HERE / "drive_queue.py", output, spec]
    return Running(world.processes.start(name, command, environment, folder), output)
