"""Time of the optimizer itself per metric call, this engine beside upstream, in one process.

Usage: overhead.py [CANDIDATES ...]   (needs gepa_engine and gepa==0.1.4)
The adapter takes no time, every child is accepted, so the archive grows by one candidate per iteration. Times are
processor times of all threads, without the adapter's own, so that other programs on the machine do not count.
Each figure is the least of three runs; upstream's of one where a run takes longer than 5 seconds.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import gepa
import gepa_engine


class Silent:
    def log(self, message: str) -> None:
        pass


class Adapter:
    propose_new_texts = None

    def __init__(self, batch_type: Any) -> None:
        self._batch = batch_type
        self.seconds = 0.0
        self.calls = 0

    def evaluate(self, batch: list[int], candidate: dict[str, str], capture_traces: bool = False) -> Any:
        since = time.process_time()
        level = int(candidate["prompt"])
        scores = [((level * 7 + example * 13) % 101) / 1000 + level for example in batch]
        answer = self._batch(outputs=scores, scores=scores, trajectories=list(batch) if capture_traces else None)
        self.calls += len(batch)
        self.seconds += time.process_time() - since
        return answer

    def make_reflective_dataset(self, candidate: Any, batch: Any, names: list[str]) -> Any:
        return {name: [{"Feedback": "higher"}] for name in names}


def measured(module: Any, candidates: int, minibatch: int, validation: int) -> float:
    """Microseconds per metric call, without the adapter's own time."""
    adapter = Adapter(module.EvaluationBatch)
    since = time.process_time()
    module.optimize(
        {"prompt": "0"},
        list(range(max(minibatch, 10))),
        list(range(validation)),
        adapter=adapter,
        custom_candidate_proposer=lambda candidate, dataset, names: {
            name: str(int(candidate[name]) + 1) for name in names
        },
        candidate_selection_strategy="current_best",
        skip_perfect_score=False,
        reflection_minibatch_size=minibatch,
        stop_callbacks=lambda state: len(state.program_candidates) >= candidates,
        logger=Silent(),
    )
    return (time.process_time() - since - adapter.seconds) / adapter.calls * 1e6


def least(module: Any, candidates: int, minibatch: int, validation: int) -> float:
    figures: list[float] = []
    began = time.process_time()
    while len(figures) < 3 and (not figures or time.process_time() - began < 5):
        figures.append(measured(module, candidates, minibatch, validation))
    return min(figures)


def main() -> None:
    for module in (gepa, gepa_engine):
        # What the first call loads is not part of what each call costs.
        measured(module, 5, 3, 20)
    print(f"{'candidates':>10} {'minibatch':>9} {'validation':>10} {'upstream us':>12} {'ours us':>9} {'factor':>7}")
    for candidates in map(int, sys.argv[1:] or ["100", "800"]):
        for minibatch, validation in ((3, 20), (100, 100)):
            theirs = least(gepa, candidates, minibatch, validation)
            ours = least(gepa_engine, candidates, minibatch, validation)
            print(
                f"{candidates:>10} {minibatch:>9} {validation:>10} {theirs:>12.1f} {ours:>9.1f} {theirs / ours:>7.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
