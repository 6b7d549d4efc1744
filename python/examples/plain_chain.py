"""A chain as a plain function. A chain of LangChain or an agent of Pydantic AI takes the place of `chain`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gepa_engine

EXAMPLES = [
    ("three apples and two pears", 5),
    ("one chair", 1),
    ("two lamps and four bulbs", 6),
    ("five keys and one lock", 6),
    ("four cups", 4),
    ("two doors and three windows", 5),
]
NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5}


def fake_model(instruction: str, text: str) -> str:
    """A model that does what its instruction says, and no more."""
    found = [str(NUMBERS[word]) for word in text.split() if word in NUMBERS]
    if "numbers" in instruction:
        return " ".join(found) if "every" in instruction else found[0]
    if "add" in instruction:
        return str(sum(int(word) for word in text.split() if word.isdigit()))
    return text


def chain(prompts: Mapping[str, str], text: str) -> str:
    """Two calls of a model: find the numbers, then work with them."""
    return fake_model(prompts["combine"], fake_model(prompts["extract"], text))


class ChainAdapter:
    """Runs the chain, and keeps what happened for the reflection."""

    propose_new_texts = None

    def evaluate(self, batch: list[Any], candidate: dict[str, str], capture_traces: bool = False) -> Any:
        answers = [chain(candidate, text) for text, _ in batch]
        return gepa_engine.EvaluationBatch(
            outputs=answers,
            scores=[float(answer == str(wanted)) for answer, (_, wanted) in zip(answers, batch, strict=True)],
            trajectories=[
                {"text": text, "answer": answer, "wanted": wanted}
                for answer, (text, wanted) in zip(answers, batch, strict=True)
            ]
            if capture_traces
            else None,
        )

    def make_reflective_dataset(self, candidate: dict[str, str], batch: Any, names: list[str]) -> Any:
        records = [
            {
                "Inputs": {"text": trace["text"]},
                "Generated Outputs": trace["answer"],
                "Feedback": f"The right answer is {trace['wanted']}.",
            }
            for trace in batch.trajectories
        ]
        return {name: records for name in names}


def reflect(prompt: str) -> str:
    """Stands where a language model belongs."""
    if "Look at" in prompt:
        return "```\nLook at every part of the text and list all numbers.\n```"
    return "```\nThen add them.\n```"


def main() -> None:
    result = gepa_engine.optimize(
        {"extract": "Look at the numbers.", "combine": "Then answer."},
        trainset=EXAMPLES[:3],
        valset=EXAMPLES,
        adapter=ChainAdapter(),
        reflection_lm=reflect,
        module_selector="all",
        max_metric_calls=80,
        logger=Silent(),
    )
    print(result.best_score, result.best_candidate)
    assert result.best_score == 1.0 > result.val_aggregate_scores[0]


class Silent:
    def log(self, message: str) -> None:
        pass


if __name__ == "__main__":
    main()
