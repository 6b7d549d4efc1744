"""Compiles DSPy programs with DSPy's dummy models. Usage: dspy_program.py SIDE PROGRAM [RUN_DIR [KILL_AT]]

SIDE is `bare` or `ours`. Prints candidates, scores and metric calls as JSON. With a RUN_DIR the answers depend
on the question alone, so that a process that is killed after KILL_AT metric calls can be followed by another.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from typing import Any

import dspy
from dspy.utils import DummyLM

SIDE, PROGRAM = sys.argv[1], sys.argv[2]
RUN_DIR = sys.argv[3] if len(sys.argv) > 3 else None
KILL_AT = int(sys.argv[4]) if len(sys.argv) > 4 else None
if SIDE == "ours":
    import gepa_engine

    gepa_engine.install()

WORDS = ["red", "green", "blue"]


class TwoSteps(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = dspy.Predict("question -> hint")
        self.second = dspy.Predict("question, hint -> answer")

    def forward(self, question: str) -> Any:
        return self.second(question=question, hint=self.first(question=question).hint)


PROGRAMS = {
    "predict": (lambda: dspy.Predict("question -> answer"), ["answer"]),
    "reasoning": (lambda: dspy.ChainOfThought("question -> answer"), ["reasoning", "answer"]),
    "two_steps": (TwoSteps, ["hint", "answer"]),
}
make, fields = PROGRAMS[PROGRAM]
draw = random.Random(PROGRAM)
examples = [
    dspy.Example(question=f"question number {number}?", answer=WORDS[number % 3]).with_inputs("question")
    for number in range(12)
]
if RUN_DIR is None:
    answers: Any = [{field: draw.choice(WORDS) for field in fields} for _ in range(3_000)]
else:
    answers = {f"number {n}?": {field: WORDS[n % 2] for field in fields} for n in range(12)}
texts: Any = [{"new_instruction": f"Answer in one word, version {number}."} for number in range(300)]
calls = 0


def metric(gold: Any, pred: Any, trace: Any = None, pred_name: Any = None, pred_trace: Any = None) -> Any:
    global calls
    if pred_name is None:
        calls += 1
        if RUN_DIR is not None:
            with open(f"{RUN_DIR}.paid", "a", encoding="utf-8") as paid:
                paid.write("1\n")
        if KILL_AT is not None and calls >= KILL_AT:
            os.kill(os.getpid(), signal.SIGKILL)
    score = float(pred.answer == gold.answer)
    return dspy.Prediction(score=score, feedback=f"the answer is {gold.answer}")


dspy.configure(lm=DummyLM(answers))
optimizer = dspy.GEPA(
    metric=metric,
    reflection_lm=DummyLM(texts if RUN_DIR is None else {"": texts[0]}, adapter=dspy.JSONAdapter()),
    max_metric_calls=150,
    num_threads=1,
    track_stats=True,
    log_dir=RUN_DIR,
    gepa_kwargs={"acceptance_criterion": "improvement_or_equal"} if RUN_DIR else None,
)
program = optimizer.compile(make(), trainset=examples[:6], valset=examples[6:])
found = program.detailed_results
print(
    json.dumps(
        {
            "texts": [
                {name: one.signature.instructions for name, one in candidate.named_predictors()}
                for candidate in found.candidates
            ],
            "scores": found.val_aggregate_scores,
            "parents": found.parents,
            "metric_calls": found.total_metric_calls,
        }
    )
)
