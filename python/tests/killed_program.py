"""Runs a small search in a folder; kills itself when more than KILL_AT examples were evaluated."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from typing import Any

import gepa_engine

RUN_DIR, KILL_AT = sys.argv[1], int(sys.argv[2])


class Adapter:
    propose_new_texts = None
    calls = 0

    def evaluate(self, batch: Any, candidate: Any, capture_traces: bool = False) -> Any:
        if 0 <= KILL_AT < self.calls + len(batch):
            os.kill(os.getpid(), signal.SIGKILL)
        self.calls += len(batch)
        with open(RUN_DIR + ".paid", "a", encoding="utf-8") as paid:
            paid.write(f"{len(batch)}\n")
        level = int(candidate["prompt"].split("=")[1])
        return gepa_engine.EvaluationBatch(
            outputs=[f"answer {level}" for _ in batch],
            scores=[float(level >= example) for example in batch],
            trajectories=[{"example": example} for example in batch] if capture_traces else None,
        )

    def make_reflective_dataset(self, candidate: Any, batch: Any, names: list[str]) -> Any:
        return {name: [{"Feedback": str(trace)} for trace in batch.trajectories] for name in names}


def model(prompt: str) -> str:
    level = int(re.findall(r"level=(\d+)", prompt)[-1])
    return f"```\nlevel={level + len(prompt) % 3}\n```"


result = gepa_engine.optimize(
    {"prompt": "level=0"},
    list(range(10)),
    adapter=Adapter(),
    reflection_lm=model,
    max_metric_calls=200,
    run_dir=RUN_DIR,
)
with open(RUN_DIR + ".json", "w", encoding="utf-8") as file:
    json.dump(result.to_dict(), file)
