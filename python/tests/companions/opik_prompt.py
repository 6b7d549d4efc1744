"""Opik's GEPA optimizer on this engine. Its server is replaced where the optimizer evaluates and where it keeps
optimizations; an agent and a function of this file stand where models belong."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

os.environ |= {"OPIK_TRACK_DISABLE": "true", "OPIK_SENTRY_ENABLE": "false", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}

import gepa.api
import opik
from opik.evaluation.evaluation_result import EvaluationResultOnDictItems
from opik.evaluation.metrics.score_result import ScoreResult
from opik.evaluation.test_result import TestResult
from opik_optimizer import ChatPrompt, GepaOptimizer
from opik_optimizer.agents import OptimizableAgent
from opik_optimizer.core import evaluation

import gepa_engine

ITEMS = [{"question": str(number), "answer": str(2 * number)} for number in range(1, 7)]


class Dataset(opik.Dataset):
    """Rows without ids, which the optimizer evaluates in this process."""

    name = "double"
    id = "dataset"
    project_name = "smoke"

    def __init__(self) -> None:
        """Without a client of a server."""

    def get_items(self, nb_samples: int | None = None) -> list[dict[str, Any]]:
        return [dict(item) for item in ITEMS[:nb_samples]]


class Agent(OptimizableAgent):
    """Doubles the number if the system prompt says so."""

    def invoke_agent(
        self, prompts: Any, dataset_item: dict[str, Any], allow_tool_use: bool = False, seed: int | None = None
    ) -> str:
        said = " ".join(str(prompt.get_messages()) for prompt in prompts.values())
        number = dataset_item["question"]
        return str(2 * int(number)) if "double" in said else number


def right(dataset_item: dict[str, Any], llm_output: str) -> float:
    return float(dataset_item["answer"] == llm_output)


def evaluate_here(dataset: Any, evaluated_task: Any, metric: Any, **options: Any) -> tuple[float, Any]:
    """The mean score, without the server that keeps experiments."""
    scores = [float(metric(item, evaluated_task(item)["llm_output"])) for item in dataset.get_items()]
    named = [[ScoreResult(name=metric.__name__, value=score)] for score in scores]
    results = [TestResult(test_case=Any, score_results=one, trial_id=0) for one in named]
    return sum(scores) / len(scores), EvaluationResultOnDictItems(test_results=results)


def main() -> None:
    gepa_engine.install()
    assert gepa.api.GEPAEngine.__module__ == "gepa_engine._install"
    evaluation._evaluate_internal = evaluate_here
    GepaOptimizer._build_reflection_lm = lambda self, context: lambda prompt: "```\nSay the double.\n```"
    optimizer = GepaOptimizer(model="fake/model", n_threads=1, verbose=0, seed=1)
    optimizer._opik_client = SimpleNamespace(
        create_optimization=lambda **given: SimpleNamespace(id="optimization", update=lambda **given: None)
    )
    found = optimizer.optimize_prompt(
        prompt=ChatPrompt(system="Say the number.", user="{question}"),
        dataset=Dataset(),
        metric=right,
        agent=Agent(),
        max_trials=8,
        n_samples=6,
    )
    print(f"opik: {found.initial_score} to {found.score}, {found.prompt.get_messages()[0]}")
    assert found.initial_score == 0.0 and found.score == 1.0


if __name__ == "__main__":
    main()
