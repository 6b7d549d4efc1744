"""MLflow's `optimize_prompts` with its GEPA optimizer on this engine. The reflection model is a local function."""

from __future__ import annotations

import os
import tempfile
from typing import Any

os.environ["GIT_PYTHON_REFRESH"] = "quiet"

import gepa.api
import mlflow
from mlflow.genai.optimize import GepaPromptOptimizer
from mlflow.genai.scorers import scorer

import gepa_engine

REPLY = "```\nAnswer with the number that doubles {{number}}. Be exact.\n```"
optimize = gepa.optimize


def with_a_function(*args: Any, **given: Any) -> Any:
    """The package names a reflection model; here a function stands in its place."""
    return optimize(*args, **(given | {"reflection_lm": lambda prompt: REPLY}))


def main() -> None:
    folder = tempfile.mkdtemp()
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    mlflow.set_registry_uri(f"sqlite:///{folder}/mlflow.db")
    mlflow.set_experiment("smoke")
    prompt = mlflow.genai.register_prompt(name="double", template="Say something about {{number}}.")

    def predict(number: str) -> str:
        text = mlflow.genai.load_prompt(f"prompts:/double/{prompt.version}").format(number=number)
        return str(int(number) * 2) if "doubles" in text else number

    @scorer
    def right(outputs: str, expectations: dict) -> float:
        return float(outputs == expectations["expected_response"])

    gepa_engine.install()
    assert gepa.api.GEPAEngine.__module__ == "gepa_engine._install"
    gepa.optimize = with_a_function
    try:
        found = mlflow.genai.optimize_prompts(
            predict_fn=predict,
            train_data=[
                {"inputs": {"number": str(one)}, "expectations": {"expected_response": str(one * 2)}}
                for one in range(1, 7)
            ],
            prompt_uris=[prompt.uri],
            optimizer=GepaPromptOptimizer(reflection_model="openai:/none", max_metric_calls=40),
            scorers=[right],
        )
    finally:
        gepa.optimize = optimize
    best = found.optimized_prompts[0].template
    print(f"mlflow: {found.initial_eval_score} to {found.final_eval_score}: {best}")
    assert "doubles" in best, best
    assert found.final_eval_score > (found.initial_eval_score or 0)


if __name__ == "__main__":
    main()
