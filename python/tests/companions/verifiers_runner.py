"""The GEPA runner of verifiers on this engine, with an environment and a reflection model of this file."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import gepa.api

import gepa_engine

gepa_engine.install()

# The runner binds `gepa.api.optimize` when it is imported.
from verifiers.v1.gepa import runner  # noqa: E402
from verifiers.v1.gepa.config import GEPAConfig  # noqa: E402


@dataclass(frozen=True)
class Data:
    idx: int
    system_prompt: str = "Say the number."
    prompt_text: str = ""


@dataclass(frozen=True)
class Task:
    data: Data

    def with_system_prompt(self, text: str) -> Task:
        return replace(self, data=replace(self.data, system_prompt=text))


@dataclass
class Environment:
    """Rewards an answer if the system prompt says that it has to be doubled."""

    tasks: list[Task]
    rollouts: int = 0
    taskset: Any = field(init=False)

    def __post_init__(self) -> None:
        self.taskset = SimpleNamespace(select=lambda _: self.taskset, take=lambda count: self.tasks[:count])

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        yield

    def slots(self, task: Task) -> list[Task]:
        return [task]

    async def run_slot(self, task: Task, context: Any, semaphore: Any, on_complete: Any) -> Any:
        self.rollouts += 1
        reward = float("double" in task.data.system_prompt)
        trace = SimpleNamespace(
            task=task,
            last_reply=str(task.data.idx),
            reward=reward,
            rewards=[reward],
            agent=SimpleNamespace(name="one"),
            has_error=False,
            stop_condition=None,
            info={},
        )
        return SimpleNamespace(traces=[trace])


def main() -> None:
    runner.build_reflection_lm = lambda config: lambda prompt: "```\nSay the double of the number.\n```"
    environment = Environment([Task(Data(number, prompt_text=f"number {number}")) for number in range(12)])
    config = GEPAConfig(num_train=6, num_val=6, max_total_rollouts=40, save_results=False)
    result: Any = runner.run_gepa(environment, config)
    assert gepa.api.GEPAEngine.__module__ == "gepa_engine._install"
    assert result.best_candidate == {"system_prompt": "Say the double of the number."}
    assert result.val_aggregate_scores == [0.0, 1.0]
    assert environment.rollouts == result.total_metric_calls
    print(f"verifiers: {result.val_aggregate_scores} in {environment.rollouts} rollouts")


if __name__ == "__main__":
    main()
