"""A metric of your own: a short product text must name what matters and stay brief."""

from __future__ import annotations

import gepa_engine

WANTED = ("waterproof", "12 hours", "two years")


def evaluate(candidate: str) -> float:
    """The share of wanted facts, less a little for each word beyond twenty. What is logged reaches the model."""
    missing = [fact for fact in WANTED if fact not in candidate]
    too_long = max(0, len(candidate.split()) - 20)
    gepa_engine.log(f"missing: {', '.join(missing) or 'nothing'}; words too many: {too_long}")
    return 1 - len(missing) / len(WANTED) - 0.02 * too_long


def reflect(prompt: str) -> str:
    """Stands where a language model belongs; `reflection_lm="openai/gpt-4.1"` names one."""
    text = prompt.split("```")[1].strip()
    missing = prompt.rsplit("missing: ", 1)[1].split(";")[0].split(", ")
    return f"```\n{text} It is {missing[0]}.\n```"


def main() -> None:
    result = gepa_engine.optimize_anything(
        "A lamp for the garden.",
        evaluator=evaluate,
        objective="Sell the lamp in one short text.",
        config=gepa_engine.GEPAConfig(
            engine=gepa_engine.EngineConfig(max_metric_calls=30),
            reflection=gepa_engine.ReflectionConfig(reflection_lm=reflect),
        ),
    )
    print(result.best_candidate)
    assert all(fact in str(result.best_candidate) for fact in WANTED)


if __name__ == "__main__":
    main()
