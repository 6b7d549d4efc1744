"""An evaluator with scikit-learn: a text names the features that a classifier gets; the score is its accuracy."""

from __future__ import annotations

from typing import Any

from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

import gepa_engine

IRIS: Any = load_iris()
NAMES = [name.removesuffix(" (cm)") for name in IRIS.feature_names]


def evaluate(candidate: str) -> float:
    """Accuracy in cross-validation, less a little for each feature."""
    chosen = [NAMES.index(line) for line in candidate.splitlines() if line in NAMES]
    if not chosen:
        gepa_engine.log("no known feature; there are " + ", ".join(NAMES))
        return 0.0
    model = LogisticRegression(max_iter=500)
    accuracy = float(cross_val_score(model, IRIS.data[:, chosen], IRIS.target, cv=3).mean())
    unused = [name for place, name in enumerate(NAMES) if place not in chosen]
    gepa_engine.log(f"accuracy {accuracy:.3f}; unused: {', '.join(unused)}")
    return accuracy - 0.01 * len(chosen)


def reflect(prompt: str) -> str:
    """Stands where a language model belongs: exchanges the features for the first unused one, or adds it."""
    text = prompt.split("```")[1].strip().splitlines()
    unused = prompt.rsplit("unused: ", 1)[1].splitlines()[0].split(", ")
    new = [unused[-1]] if len(text) == 1 else [*text, unused[-1]]
    return "```\n" + "\n".join(new) + "\n```"


def main() -> None:
    result = gepa_engine.optimize_anything(
        "sepal width",
        evaluator=evaluate,
        objective="Choose few features with which irises are classified well.",
        config=gepa_engine.GEPAConfig(
            engine=gepa_engine.EngineConfig(max_metric_calls=12),
            reflection=gepa_engine.ReflectionConfig(reflection_lm=reflect),
        ),
    )
    print(result.best_score, result.best_candidate)
    assert result.best_score > 0.9 > result.val_aggregate_scores[0]


if __name__ == "__main__":
    main()
