"""A retrieval pipeline with two components: which words make the query, and how the answer is taken out."""

from __future__ import annotations

from typing import Any

import gepa_engine

DOCUMENTS = [
    "What is the capital of a text? The letter that begins it.",
    "Oslo is the capital of Norway. It has 700 thousand inhabitants.",
    "Lima is the capital of Peru. It has 10 million inhabitants.",
    "Hanoi is the capital of Vietnam. It has 8 million inhabitants.",
    "Quito is the capital of Ecuador. It has 2 million inhabitants.",
]
QUESTIONS = [
    ("What is the capital of Norway", "Oslo"),
    ("What is the capital of Peru", "Lima"),
    ("What is the capital of Vietnam", "Hanoi"),
    ("What is the capital of Ecuador", "Quito"),
]


def retrieve(query: set[str]) -> str:
    """The document that shares most words with the query."""
    return max(DOCUMENTS, key=lambda text: len(query & set(text.replace(".", "").split())))


def answer(candidate: dict[str, str], question: str) -> tuple[str, str]:
    ignored = set(candidate["query"].removeprefix("ignore:").split())
    document = retrieve(set(question.split()) - ignored)
    words = document.split()
    return document, words[0] if candidate["reader"] == "first word" else words[-1]


class RagAdapter:
    propose_new_texts = None

    def evaluate(self, batch: list[Any], candidate: dict[str, str], capture_traces: bool = False) -> Any:
        found = [answer(candidate, question) for question, _ in batch]
        # Half of the score for the document, half for the answer.
        scores = [
            0.5 * document.startswith(wanted) + 0.5 * (given == wanted)
            for (document, given), (_, wanted) in zip(found, batch, strict=True)
        ]
        traces = [
            {"document": document, "question": question}
            for (document, _), (question, _) in zip(found, batch, strict=True)
        ]
        return gepa_engine.EvaluationBatch(
            outputs=[given for _, given in found],
            scores=scores,
            trajectories=traces if capture_traces else None,
            objective_scores=[{"retrieval": float(score >= 0.5), "answer": float(score == 1.0)} for score in scores],
        )

    def make_reflective_dataset(self, candidate: dict[str, str], batch: Any, names: list[str]) -> Any:
        records = [
            {"Inputs": trace["question"], "Retrieved": trace["document"], "Feedback": f"scored {score}"}
            for trace, score in zip(batch.trajectories, batch.scores, strict=True)
        ]
        return {name: records for name in names}


def propose(candidate: dict[str, str], dataset: Any, names: list[str]) -> dict[str, str]:
    """Stands where a language model belongs: ignores one more word that questions and wrong documents share."""
    new = {}
    for name in names:
        if name == "reader":
            new[name] = "first word"
            continue
        ignored = candidate["query"].removeprefix("ignore:").split()
        for record in dataset[name]:
            shared = set(record["Inputs"].split()) & set(record["Retrieved"].replace(".", "").split())
            ignored += sorted(word for word in shared if word[0].islower() or word == "What")
        new[name] = "ignore:" + " ".join(dict.fromkeys(ignored))
    return new


class Silent:
    def log(self, message: str) -> None:
        pass


def main() -> None:
    result = gepa_engine.optimize(
        {"query": "ignore:", "reader": "last word"},
        trainset=QUESTIONS,
        adapter=RagAdapter(),
        custom_candidate_proposer=propose,
        module_selector="round_robin",
        frontier_type="hybrid",
        max_metric_calls=120,
        logger=Silent(),
    )
    print(result.best_score, result.best_candidate)
    assert result.best_score == 1.0 > result.val_aggregate_scores[0]


if __name__ == "__main__":
    main()
