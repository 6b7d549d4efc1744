"""Runs synth-optimizers on a world.

It needs the task behind HTTP. Its own container library serves the world inside this process, and
the CPU time of the library counts, because no user can run it without one. Its `async_pipelined` mode is
used, with as many rollout workers as there are slots. A held-out example is mandatory and costs a
policy call or two; the pool that reflection may look at has to hold the pareto examples, since
those are all that it evaluates before its first proposal.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

from synth_containers import Container
from synth_containers.event_log import stream_descriptor
from synth_containers.sdk import RolloutResult
from synth_optimizers.gepa import (
    GepaBudgetConfig,
    GepaConfig,
    GepaPipeline,
    GepaRun,
    GepaTaskPools,
    PolicyConfig,
    ProposerConfig,
    RunSettings,
    TasksetSelection,
    UsageRegistrationConfig,
)
from synth_proposer import Translator
from world_client import Model, tell

Task = dict[str, Any]
HELD_OUT = "held:0"
KEY_VARIABLE = "WORLD_KEY"
PROPOSALS = 4
FOR_HELD_OUT = 4
"""It fails a run whose final held-out rollouts the budget does not cover."""


def container(task: Task, policy: Model, slots: int) -> Container:
    """The task as an HTTP container."""
    component, seed_prompt = task["component"], task["seed_prompt"]
    items = {f"{name}:{item['id']}": item for name in ("train", "pareto") for item in task[name]}
    items[HELD_OUT] = task["train"][0]
    pool = ThreadPoolExecutor(slots)
    served = Container("world", default_submission_mode="sync")

    @served.program
    def program() -> Task:
        target = {"module_id": component, "candidate_field": component}
        return {
            "version": "prompt_program.v1",
            "program_id": "world",
            "modules": [{**target, "role": "system", "content": seed_prompt, "mutable": True}],
            "target_modules": [{**target, "objective": "outcome_reward"}],
            "seed_candidate": {component: seed_prompt},
        }

    @served.taskset
    def taskset() -> Task:
        return {"taskset_id": "world", "splits": {"train": {"count": len(items)}}}

    @served.taskset_tasks
    def taskset_tasks(request: Task) -> Task:
        split = request["split"]
        rows = [
            {"task_id": name, "input": items[name]["input"], "split": split, "metadata": {}}
            for name in request["task_ids"]
        ]
        return {"split": split, "tasks": rows}

    @served.rollout
    async def rollout(request: Task) -> Task:
        name, number = request["task"]["task_id"], request["rollout_id"]
        item = items[name]
        messages = [
            {"role": "system", "content": request["candidate"][component]},
            {"role": "user", "content": item["input"]},
        ]
        loop = asyncio.get_running_loop()
        reply = (await loop.run_in_executor(pool, policy.complete, messages)).strip()
        right = reply == item["answer"]
        feedback = item["feedback_right"] if right else item["feedback_wrong"]
        shown = {"input": item["input"], "output": reply, "feedback": feedback}
        result = RolloutResult(
            rollout_id=number,
            reward=float(right),
            task_id=name,
            actionable_side_info=shown,
            trace=shown,
        )
        # The library leaves this out where telemetry is off, and the optimizer rejects the rollout.
        stream = stream_descriptor(
            rollout_id=number, stream_id=f"stream:{number}", bound_transport="poll"
        )
        return result.to_dict() | {"stream": stream}

    return served


def config(given: argparse.Namespace, task: Task, url: Any, translator: Translator) -> GepaConfig:
    """A run with the budget given; everything that is not named is a default."""
    train = [f"train:{item['id']}" for item in task["train"]]
    pareto = [f"pareto:{item['id']}" for item in task["pareto"]]
    component = task["component"]
    return GepaConfig(
        container=url,
        taskset=TasksetSelection(train_ids=train + pareto, heldout_ids=[HELD_OUT]),
        task_pools=GepaTaskPools(
            pareto=pareto, minibatch=train, reflection=train + pareto, heldout=[HELD_OUT]
        ),
        run=RunSettings(run_id="run", output_dir="runs", seed=given.seed),
        proposer=ProposerConfig(
            backend="chat_completions",
            base_url=translator.base_url,
            model="reflector",
            allow_unverified_model=True,
            api_key_env=KEY_VARIABLE,
        ),
        policy=PolicyConfig(model="policy", base_url=f"{given.base}/v1", api_key_env=KEY_VARIABLE),
        target_modules=[component],
        seed_candidate={component: task["seed_prompt"]},
        budgets=GepaBudgetConfig(
            max_generations=1000,
            proposals_per_generation=PROPOSALS,
            minibatch_size=3,
            max_train_rollouts=given.budget,
            max_heldout_rollouts=FOR_HELD_OUT,
            max_total_rollouts=given.budget + FOR_HELD_OUT,
        ),
        pipeline=GepaPipeline.async_pipelined(
            candidate_concurrency=PROPOSALS,
            rollout_concurrency=given.slots,
            rollout_transport="sync",
        ),
        usage_registration=UsageRegistrationConfig(enabled=False),
    )


class Follower:
    """Reads the optimizer's own event file and tells of candidates as they are accepted."""

    def __init__(self, component: str) -> None:
        self._component = component
        self._texts: dict[str, str] = {}
        self._read = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow)
        self._thread.start()

    def finish(self) -> None:
        self._over.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._over.wait(0.2):
            self._look()
        self._look()

    def _look(self) -> None:
        for file in Path("runs").glob("**/events.jsonl"):
            lines = file.read_text().splitlines(keepends=True)
            new = [line for line in lines[self._read :] if line.endswith("\n")]
            self._read += len(new)
            for line in new:
                self._take(json.loads(line))

    def _take(self, event: Task) -> None:
        kind, fields = event["type"], event["fields"]
        if kind == "candidate.registered":
            self._texts[fields["candidate_id"]] = fields["values"][self._component]
        elif kind == "candidate.evaluated":
            self._tell(event, fields["train_reward"])
        elif kind == "candidate.accepted":
            self._tell(event, fields["candidate_train_reward"])

    def _tell(self, event: Task, score: float) -> None:
        at_ms = datetime.fromisoformat(event["ts"]).timestamp() * 1e3
        text = self._texts[event["fields"]["candidate_id"]]
        tell("candidate", at_ms=at_ms, score=score, text=text)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--base", required=True)
    parser.add_argument("--dataset", type=Path, required=True)
    parser.add_argument("--budget", type=int, required=True)
    parser.add_argument("--slots", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    given = parser.parse_args()

    os.environ[KEY_VARIABLE] = "none"
    task = json.loads(given.dataset.read_text())
    translator = Translator(Model(given.base, "reflector", None), task["component"])
    with container(task, Model(given.base, "policy", 0.0), given.slots).serve() as handle:
        settings = config(given, task, handle.connection(), translator)
        follower = Follower(task["component"])
        tell("start", cpu_seconds=time.process_time())
        try:
            GepaRun(settings).execute()
        finally:
            follower.finish()
        tell("end")


if __name__ == "__main__":
    main()
