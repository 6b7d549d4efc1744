"""Runs the reference implementation, `gepa` from PyPI, on a world.

The adapter evaluates everything it is handed at once, as many policy calls in flight as there are
slots: `batch_evaluate` takes all proposals of a step together, which is the most parallelism the
reference leaves room for. Everything else is the default of `gepa.optimize`.
"""

from __future__ import annotations

import argparse
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import gepa
from gepa.core.adapter import EvaluationBatch
from gepa.strategies.proposal_sampling import IndependentSampling, PxNSampling, SamplingStrategy
from gepa.utils import TimeoutStopCondition
from world_client import Model, Reflector, tell

Item = dict[str, str]
Candidate = dict[str, str]


class WorldAdapter:
    """Calls the policy for every example and judges the replies."""

    propose_new_texts = None

    def __init__(self, base: str, component: str, slots: int) -> None:
        self._policy = Model(base, "policy", 0.0)
        self._component = component
        self._pool = ThreadPoolExecutor(slots)

    def evaluate(
        self, batch: list[Item], candidate: Candidate, capture_traces: bool = False
    ) -> EvaluationBatch:
        return self._run([(candidate, batch)], capture_traces)[0]

    def batch_evaluate(
        self, items: list[tuple[Candidate, list[Item]]], capture_traces: bool = True
    ) -> list[EvaluationBatch]:
        return self._run(items, capture_traces)

    def make_reflective_dataset(
        self, candidate: Candidate, eval_batch: EvaluationBatch, components_to_update: list[str]
    ) -> dict[str, list[dict[str, Any]]]:
        return {name: list(eval_batch.trajectories or []) for name in components_to_update}

    def _run(
        self, items: list[tuple[Candidate, list[Item]]], capture_traces: bool
    ) -> list[EvaluationBatch]:
        waiting = [
            [self._pool.submit(self._reply, candidate, item) for item in batch]
            for candidate, batch in items
        ]
        results = []
        for (_, batch), futures in zip(items, waiting, strict=True):
            replies = [future.result() for future in futures]
            scores = [
                float(reply == item["answer"]) for reply, item in zip(replies, batch, strict=True)
            ]
            traces = None
            if capture_traces:
                shown = zip(batch, replies, scores, strict=True)
                traces = [record(item, reply, score) for item, reply, score in shown]
            results.append(EvaluationBatch(outputs=replies, scores=scores, trajectories=traces))
        return results

    def _reply(self, candidate: Candidate, item: Item) -> str:
        messages = [
            {"role": "system", "content": candidate[self._component]},
            {"role": "user", "content": item["input"]},
        ]
        return self._policy.complete(messages).strip()


class Lines:
    """Tells the harness of every candidate that has its pareto scores."""

    def __init__(self, component: str) -> None:
        self._component = component

    def on_valset_evaluated(self, event: dict[str, Any]) -> None:
        text = event["candidate"][self._component]
        tell("candidate", score=event["average_score"], text=text)

    def on_optimization_end(self, event: dict[str, Any]) -> None:
        tell("end", calls=event["total_metric_calls"], iterations=event["total_iterations"])


class Silent:
    """The reference's logger prints whole candidates; the runs are observed otherwise."""

    def log(self, message: str, *_: Any, **__: Any) -> None:
        del message


def record(item: Item, reply: str, score: float) -> dict[str, Any]:
    """What reflection is shown of one rollout."""
    feedback = item["feedback_right"] if score == 1.0 else item["feedback_wrong"]
    return {"Inputs": item["input"], "Generated Outputs": reply, "Feedback": feedback}


def sampling(parents: int, batches: int) -> SamplingStrategy | None:
    """The reference's sampling of parents and minibatches; its default for one of each."""
    if parents * batches == 1:
        return None
    return IndependentSampling(parents) if batches == 1 else PxNSampling(parents, batches)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--base", required=True)
    parser.add_argument("--dataset", type=Path, required=True)
    parser.add_argument("--budget", type=int, required=True)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--slots", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--parents", type=int, default=1)
    parser.add_argument("--batches", type=int, default=1)
    given = parser.parse_args()

    task = json.loads(given.dataset.read_text())
    component = task["component"]
    adapter = WorldAdapter(given.base, component, given.slots)
    reflector = Reflector(given.base, max(given.parents * given.batches, 1))
    tell("start", cpu_seconds=time.process_time())
    gepa.optimize(
        seed_candidate={component: task["seed_prompt"]},
        trainset=task["train"],
        valset=task["pareto"],
        adapter=adapter,
        reflection_lm=reflector,
        max_metric_calls=given.budget,
        stop_callbacks=TimeoutStopCondition(given.seconds) if given.seconds else None,
        seed=given.seed,
        sampling_strategy=sampling(given.parents, given.batches),
        logger=Silent(),
        callbacks=[Lines(component)],
    )


if __name__ == "__main__":
    main()
