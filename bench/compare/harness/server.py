"""The world server: one process that every system talks to, and whose books are the truth."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.processes import cpu_seconds


@dataclass(frozen=True)
class Latency:
    """Log-normal answer times: means in milliseconds, and their sigmas."""

    policy_ms: float
    policy_sigma: float
    reflector_ms: float
    reflector_sigma: float


@dataclass(frozen=True)
class World:
    """A task, as a pure function of its family, its seed and its number of pareto examples."""

    family: str
    seed: int
    pareto: int


class WorldServer:
    """A running server; `with` ends it."""

    def __init__(self, program: Path) -> None:
        self._process = subprocess.Popen(
            [program, "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True
        )
        first = self._process.stdout.readline()
        if not first.startswith("listening on "):
            raise RuntimeError(f"{program} did not say where it listens, but: {first!r}")
        self.url = first.removeprefix("listening on ").strip()

    def __enter__(self) -> WorldServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def cpu_seconds(self) -> float:
        """CPU time the server has used so far."""
        return cpu_seconds(self._process.pid)

    def set_latency(self, latency: Latency) -> None:
        """How long answers take from now on, for every run."""
        self._post("/control", {**vars(latency), "capacity": None})

    def dataset(self, world: World) -> dict[str, Any]:
        """Seed prompt and examples."""
        return self._get(f"{path(world)}/dataset?pareto={world.pareto}")

    def score(self, world: World, prompt: str) -> dict[str, float]:
        """Expected accuracy on the hidden test set (`test`) and on the pareto set (`pareto`)."""
        return self._post(f"{path(world)}/score?pareto={world.pareto}", {"prompt": prompt})

    def base(self, world: World, run: str) -> str:
        """Where the models of a run are, without `/v1`."""
        return f"{self.url}{path(world)}/{run}"

    def ledger(self, world: World, run: str) -> dict[str, Any]:
        """Calls, tokens and times of a run so far."""
        return self._get(f"{path(world)}/{run}/ledger")

    def timeline(self, world: World, run: str) -> list[tuple[str, float, float]]:
        """Kind, begin and end of every call, in milliseconds since the run's first."""
        return [tuple(span) for span in self._get(f"{path(world)}/{run}/timeline")]

    def _get(self, where: str) -> Any:
        with urllib.request.urlopen(f"{self.url}{where}", timeout=60) as answer:
            return json.load(answer)

    def _post(self, where: str, body: dict[str, Any]) -> Any:
        request = urllib.request.Request(
            f"{self.url}{where}",
            json.dumps(body).encode(),
            {"content-type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{where}: {error.read().decode()}") from error


def path(world: World) -> str:
    """The world's part of an address."""
    return f"/w/{world.family}/{world.seed}"
