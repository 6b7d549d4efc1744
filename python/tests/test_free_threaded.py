"""An interpreter without a global lock, which needs a wheel of its own (README.md)."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

PROGRAM = """
import sys, threading
import gepa_engine
assert not sys._is_gil_enabled(), "the import switched the lock on"
class Silent:
    def log(self, message): pass
class Adapter:
    propose_new_texts = None
    def __init__(self):
        self.calls, self.lock = 0, threading.Lock()
    def evaluate(self, batch, candidate, capture_traces=False):
        with self.lock:
            self.calls += len(batch)
        level = int(candidate["prompt"])
        return gepa_engine.EvaluationBatch(
            [level for _ in batch], [float(level >= one) for one in batch], list(batch) if capture_traces else None)
    def make_reflective_dataset(self, candidate, batch, names):
        return {name: [{"Feedback": "higher"}] for name in names}
def run(**options):
    adapter = Adapter()
    up = lambda candidate, dataset, names: {name: str(int(candidate[name]) + 1) for name in names}
    result = gepa_engine.optimize({"prompt": "0"}, trainset=list(range(1, 9)), adapter=adapter, max_metric_calls=200,
                                  custom_candidate_proposer=up, logger=Silent(), **options)
    assert adapter.calls == result.total_metric_calls
    return result
alone = run()
for _ in range(5):
    assert run(parallel=4).val_subscores == alone.val_subscores
    assert run(parallel=4, schedule="free").num_candidates > 1
found = {}
threads = [threading.Thread(target=lambda at=at: found.update({at: run(parallel=2).candidates})) for at in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert len(found) == 8 and all(one == alone.candidates for one in found.values())
assert not sys._is_gil_enabled()
print("done")
"""


def test_runs_on_several_threads_agree_without_a_global_lock(tmp_path: Path) -> None:
    python = os.environ.get("GEPA_FREE_THREADED_PYTHON")
    if python is None:
        pytest.skip("SKIPPED: no free-threaded interpreter; GEPA_FREE_THREADED_PYTHON names one with gepa_engine")
    # In a folder without the sources, so that the installed package is meant.
    ended = subprocess.run(
        [python, "-W", "error", "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0 and ended.stdout == "done\n", ended.stderr
