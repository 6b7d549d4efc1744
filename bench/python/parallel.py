"""Wall-clock with an evaluator that takes 20 ms for each example, this engine beside upstream, in one process.

Usage: parallel.py [METRIC CALLS]   (needs gepa_engine and gepa==0.1.4)
Upstream hands an adapter whole batches, so its best setting is an adapter with threads of its own and several
proposals per iteration. Ours is shown with the same adapter, and with a plain adapter and `parallel=16`.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import gepa
import gepa_engine
from gepa.strategies.proposal_sampling import PxNSampling

THREADS = 16
SECONDS = 0.020
#: Each setting but the slowest runs as often as this; the fastest run counts.
TURNS = 4


class Silent:
    def log(self, message: str) -> None:
        pass


class Adapter:
    propose_new_texts = None

    def __init__(self, batch_type: Any, pool: ThreadPoolExecutor | None) -> None:
        self._batch = batch_type
        self._pool = pool
        self.calls = 0

    def evaluate(self, batch: list[int], candidate: dict[str, str], capture_traces: bool = False) -> Any:
        level = int(candidate["prompt"])
        mapped = map if self._pool is None else self._pool.map
        scores = list(mapped(lambda example: self._one(level, example), batch))
        return self._batch(outputs=scores, scores=scores, trajectories=list(batch) if capture_traces else None)

    def _one(self, level: int, example: int) -> float:
        time.sleep(SECONDS)
        self.calls += 1
        return ((level * 7 + example * 13) % 101) / 1000 + level

    def make_reflective_dataset(self, candidate: Any, batch: Any, names: list[str]) -> Any:
        return {name: [{"Feedback": "higher"}] for name in names}

    def batch_evaluate(self, items: Any, *, capture_traces: bool = True) -> Any:
        """All trials of a step at once, which upstream uses where it is there."""
        flat = [(candidate, example) for candidate, batch in items for example in batch]
        mapped = map if self._pool is None else self._pool.map
        scores = list(mapped(lambda one: self._one(int(one[0]["prompt"]), one[1]), flat))
        batches = []
        for _, batch in items:
            own, scores = scores[: len(batch)], scores[len(batch) :]
            batches.append(self._batch(outputs=own, scores=own, trajectories=list(batch)))
        return batches


class PlainAdapter(Adapter):
    batch_evaluate = None  # type: ignore[assignment]


def seconds(module: Any, adapter: Adapter, metric_calls: int, **options: Any) -> float:
    since = time.perf_counter()
    module.optimize(
        {"prompt": "0"},
        list(range(30)),
        list(range(32)),
        adapter=adapter,
        custom_candidate_proposer=lambda candidate, dataset, names: {
            name: str(int(candidate[name]) + 1) for name in names
        },
        skip_perfect_score=False,
        max_metric_calls=metric_calls,
        sampling_strategy=PxNSampling(p=2, n=2),
        logger=Silent(),
        **options,
    )
    return time.perf_counter() - since


def main() -> None:
    metric_calls = int(sys.argv[1]) if len(sys.argv) > 1 else 1500
    print(f"{'setting':<42} {'seconds':>8} {'calls':>6} {'ms per call':>12}")
    with ThreadPoolExecutor(THREADS) as pool:
        settings: tuple[tuple[str, Any, bool, bool, dict[str, Any]], ...] = (
            ("upstream, adapter with 16 threads", gepa, True, True, {}),
            ("ours, the same adapter", gepa_engine, True, True, {}),
            ("ours, adapter without threads, parallel=16", gepa_engine, False, False, {"parallel": THREADS}),
            (
                "ours, the same, schedule='free'",
                gepa_engine,
                False,
                False,
                {"parallel": THREADS, "schedule": "free", "lags": (4, 4)},
            ),
            ("upstream, adapter without threads", gepa, False, False, {}),
        )
        least: dict[str, tuple[float, int]] = {}
        # Settings take turns, so that what else runs on the machine meets all of them.
        for turn in range(TURNS):
            for name, module, has_threads, is_batched, options in settings:
                if turn and module is gepa and not has_threads:
                    continue
                kind = Adapter if is_batched else PlainAdapter
                adapter = kind(module.EvaluationBatch, pool if has_threads else None)
                took = seconds(module, adapter, metric_calls, **options)
                known = least.get(name)
                if known is None or took / adapter.calls < known[0] / known[1]:
                    least[name] = (took, adapter.calls)
        for name, (took, calls) in least.items():
            print(f"{name:<42} {took:>8.2f} {calls:>6} {took / calls * 1e3:>12.2f}", flush=True)


if __name__ == "__main__":
    main()
