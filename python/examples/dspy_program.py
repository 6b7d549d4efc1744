"""A DSPy program, compiled by `dspy.GEPA` on this engine: two lines put it in the place of the package gepa."""

from __future__ import annotations

import re
from typing import Any

import dspy
from dspy.utils import DummyLM

import gepa_engine

EXAMPLES = [dspy.Example(number=str(number), double=str(2 * number)).with_inputs("number") for number in range(1, 9)]


class FakeModel(dspy.LM):  # type: ignore[misc]
    """Stands where a language model belongs: it doubles only if its instruction says so."""

    def __init__(self) -> None:
        super().__init__("fake/model", cache=False)

    def __call__(self, prompt: Any = None, messages: Any = None, **options: Any) -> list[str]:
        text = prompt or "\n".join(str(one["content"]) for one in messages)
        number = int(re.findall(r"## number ## \]\]\s*(\d+)", text)[-1])
        answer = 2 * number if "Multiply" in text else number
        return [f"[[ ## double ## ]]\n{answer}\n\n[[ ## completed ## ]]"]


def metric(example: Any, given: Any, trace: Any = None, name: Any = None, of_name: Any = None) -> Any:
    right = example.double == given.double
    return dspy.Prediction(score=float(right), feedback=f"The right answer is {example.double}.")


def main() -> None:
    gepa_engine.install()
    dspy.configure(lm=FakeModel())
    replies = [{"new_instruction": "Multiply the number by two."}] * 20
    reflection = DummyLM(replies, adapter=dspy.JSONAdapter())
    program = dspy.Predict(dspy.Signature("number -> double", "Answer."))
    optimizer = dspy.GEPA(metric=metric, reflection_lm=reflection, max_metric_calls=60, num_threads=1)
    compiled = optimizer.compile(program, trainset=EXAMPLES, valset=EXAMPLES)
    print(compiled.signature.instructions)
    assert "Multiply" in compiled.signature.instructions


if __name__ == "__main__":
    main()
