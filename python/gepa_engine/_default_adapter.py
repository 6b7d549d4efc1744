"""A task model with a system prompt, for callers that bring no adapter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from ._model import LitellmModel
from ._types import Candidate, EvaluationBatch, ProposalFn


class EvaluationResult(NamedTuple):
    """What an evaluator says about one response."""

    score: float
    feedback: str
    objective_scores: dict[str, float] | None = None


def contains_answer(data: Mapping[str, Any], response: str) -> EvaluationResult:
    """1 if the response contains the example's answer, else 0."""
    answer = str(data["answer"])
    if answer in response:
        return EvaluationResult(1.0, f"The response contains the right answer, '{answer}'.")
    context = "".join(f"\n{key}: {value}" for key, value in (data.get("additional_context") or {}).items())
    return EvaluationResult(0.0, f"The response lacks the right answer, '{answer}'.{context}")


class DefaultAdapter:
    """The first component is the system prompt, `input` of an example is the user's message."""

    propose_new_texts: ProposalFn | None = None

    def __init__(
        self,
        model: str | Callable[..., str],
        evaluator: Callable[[Any, str], Any] | None = None,
        threads: int = 10,
        model_options: Mapping[str, Any] | None = None,
    ) -> None:
        self._is_named = isinstance(model, str)
        self._model: Callable[..., Any] = LitellmModel(model, model_options) if isinstance(model, str) else model
        self._evaluator = evaluator or contains_answer
        self._threads = threads

    def evaluate(self, batch: list[Any], candidate: Candidate, capture_traces: bool = False) -> EvaluationBatch:
        """Asks the model for every example and scores the responses."""
        system = next(iter(candidate.values()))
        messages = [[{"role": "system", "content": system}, {"role": "user", "content": one["input"]}] for one in batch]
        if self._is_named:
            with ThreadPoolExecutor(self._threads) as pool:
                responses = [str(reply or "").strip() for reply in pool.map(self._model, messages)]
        else:
            responses = [str(self._model(one)) for one in messages]
        results = [self._evaluator(one, reply) for one, reply in zip(batch, responses, strict=True)]
        objectives = [getattr(result, "objective_scores", None) for result in results]
        if any(one is not None for one in objectives) and any(one is None for one in objectives):
            raise ValueError("the evaluator returned objective_scores for some examples only; return all or none")
        return EvaluationBatch(
            outputs=[{"full_assistant_response": reply} for reply in responses],
            scores=[result.score for result in results],
            trajectories=(
                [
                    {"data": one, "full_assistant_response": reply, "feedback": result.feedback}
                    for one, reply, result in zip(batch, responses, results, strict=True)
                ]
                if capture_traces
                else None
            ),
            objective_scores=[one for one in objectives if one is not None] or None,
        )

    def make_reflective_dataset(
        self, candidate: Candidate, eval_batch: Any, components_to_update: list[str]
    ) -> dict[str, list[dict[str, Any]]]:
        """Input, response and feedback of every example."""
        records = [
            {
                "Inputs": trace["data"]["input"],
                "Generated Outputs": trace["full_assistant_response"],
                "Feedback": trace["feedback"],
            }
            for trace in eval_batch.trajectories
        ]
        return {name: records for name in components_to_update}
