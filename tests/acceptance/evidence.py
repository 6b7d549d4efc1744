"""One finished job with everything that was said about it, by every party."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import clients
import configs
from app_proxy import Rollout
from checks import expect
from world import World

Json = Any


@dataclass
class Job:
    """A job as the backend, the SDK, the model server and the app's proxy saw it."""

    task: str
    config: Path
    budget: int
    job_id: str
    detail: dict[str, Json]
    sdk: dict[str, Json]
    ledger_before: dict[str, Json]
    ledger: dict[str, Json]
    app_rollouts: list[Rollout]
    max_at_app: int
    events: list[dict[str, Json]] = field(default_factory=list)

    @property
    def stats(self) -> dict[str, Json]:
        return dict(self.detail["metadata"]["stats"])

    @property
    def payload(self) -> dict[str, Json]:
        return dict(self.detail["best_snapshot"]["payload"])

    def of_type(self, kind: str) -> list[dict[str, Json]]:
        """The data of all events of a type, in order."""
        return [event["data"] for event in self.events if event["type"] == kind]

    def only(self, kind: str) -> dict[str, Json]:
        """The data of the one event of a type."""
        found = self.of_type(kind)
        expect(len(found) == 1, f"{len(found)} events of type {kind}")
        return found[0]

    def ledger_change(self, name: str) -> int:
        return int(self.ledger[name]) - int(self.ledger_before[name])

    def models_called(self) -> dict[str, int]:
        """Calls by model while the job ran."""
        before = self.ledger_before["by_model"]
        calls = {
            model: count["calls_received"] - before.get(model, {}).get("calls_received", 0)
            for model, count in self.ledger["by_model"].items()
        }
        return {model: number for model, number in calls.items() if number > 0}

    def calls(self) -> list[dict[str, Json]]:
        """The model calls of the job that the ledger still shows."""
        first = self.ledger_before["calls"]
        return [call for call in self.ledger["last_calls"] if call["index"] >= first]

    def policy_calls(self) -> list[dict[str, Json]]:
        return [call for call in self.calls() if call["has_tools"]]


def run_with_sdk(
    world: World,
    task: str,
    name: str,
    overrides: Mapping[str, Json] | None = None,
    changes: Mapping[str, Json] | None = None,
    seconds: float = 150,
) -> Job:
    """Runs the genuine config of `task` to its end with the real SDK, alone on the machine."""
    proxy = world.proxies[task]
    folder = configs.deep_folder(world.folder, name)
    config = configs.place(task, proxy.url, folder, changes)
    proxy.forget()
    before = world.model_server.ledger()
    returned = clients.start_sdk(world, config, overrides, seconds).returned(seconds + 30)
    if "raised" in returned:
        raise AssertionError(f"the SDK raised {returned['raised']}")
    job_id = str(returned["job_id"])
    tree = configs.read(config)["prompt_learning"]
    budget = (overrides or {}).get(configs.BUDGET, tree["gepa"]["rollout"]["budget"])
    return Job(
        task=task,
        config=config,
        budget=int(budget),
        job_id=job_id,
        detail=world.backend.job(job_id),
        sdk=returned,
        ledger_before=before,
        ledger=world.model_server.ledger(calls=3000),
        app_rollouts=list(proxy.rollouts),
        max_at_app=proxy.max_in_flight,
        events=world.backend.events(job_id),
    )
