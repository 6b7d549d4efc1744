"""Several proposals in flight: `schedule=`."""

from __future__ import annotations

import contextvars
import random
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from test_own_features import Adapter, one_higher, optimized

import gepa_engine

PLACE: contextvars.ContextVar[str] = contextvars.ContextVar("place", default="nowhere")


class Slow(Adapter):
    """Takes a random time, and notes how many calls run at once."""

    def __init__(self) -> None:
        super().__init__()
        self.running = 0
        self.most = 0
        self.places: set[str] = set()
        self._lock = threading.Lock()

    def evaluate(self, batch: list[int], candidate: dict[str, str], capture_traces: bool = False) -> Any:
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
            self.places.add(PLACE.get())
        time.sleep(random.random() * 0.01)
        with self._lock:
            self.running -= 1
            return super().evaluate(batch, candidate, capture_traces)


def searched(adapter: Adapter, **options: Any) -> gepa_engine.GEPAResult:
    given: dict[str, Any] = {"budget": {"rollouts": 200}, "schedule": "ordered", "lags": (3, 4), "parallel": 8}
    return optimized(adapter, **(given | options))


def test_the_ordered_schedule_decides_alike_however_long_calls_take() -> None:
    results = [searched(Slow()) for _ in range(3)]
    assert results[0].best_score > results[0].val_aggregate_scores[0]
    for other in results[1:]:
        assert other.candidates == results[0].candidates
        assert other.parents == results[0].parents
        assert other.val_subscores == results[0].val_subscores


def test_calls_run_at_once_with_the_context_of_the_caller() -> None:
    PLACE.set("here")
    adapter = Slow()
    result = searched(adapter, schedule="free", lags=(4, 4))
    assert 2 <= adapter.most <= 8
    assert adapter.places == {"here"}
    assert result.total_metric_calls == adapter.calls <= 200


def test_a_budget_holds_and_held_out_examples_are_scored() -> None:
    adapter = Slow()
    result = searched(adapter, held_out=[3, 4])
    assert adapter.calls <= 200
    assert result.held_out is not None and len(result.held_out) == 2


def test_a_run_that_ended_by_an_exception_goes_on(tmp_path: Path) -> None:
    class Broken(Adapter):
        def evaluate(self, batch: list[int], candidate: dict[str, str], capture_traces: bool = False) -> Any:
            if self.calls > 80:
                raise OSError("gone")
            return super().evaluate(batch, candidate, capture_traces)

    store = f"sqlite://{tmp_path}/runs.db"
    broken = Broken()
    with pytest.raises(OSError, match="gone"):
        searched(broken, store=store, run_id="one")
    whole, rest = Adapter(), Adapter()
    resumed = searched(rest, store=store, run_id="one")
    assert resumed.candidates == searched(whole).candidates
    # What was in flight when the exception came is bought again, and so are parents whose traces are gone.
    assert rest.calls < whole.calls
    assert broken.calls + rest.calls <= whole.calls + 8 * 8


def test_an_exception_fails_one_trial_where_the_user_wants_to_go_on() -> None:
    class Sometimes(Adapter):
        def evaluate(self, batch: list[int], candidate: dict[str, str], capture_traces: bool = False) -> Any:
            if candidate["prompt"] == "2":
                raise OSError("never 2")
            return super().evaluate(batch, candidate, capture_traces)

    result = searched(Sometimes(), raise_on_exception=False)
    assert {candidate["prompt"] for candidate in result.candidates} == {"0", "1"}


def test_async_adapters_and_models_work_on_threads() -> None:
    class Async(Adapter):
        async def evaluate(self, batch: Any, candidate: Any, capture_traces: bool = False) -> Any:  # type: ignore[override]
            return Adapter.evaluate(self, batch, candidate, capture_traces)

    assert searched(Async()).best_score > 0


def test_objects_that_decide_one_after_the_other_are_refused() -> None:
    class Selector:
        def select_candidate_idx(self, state: Any) -> int:
            return 0

    with pytest.raises(ValueError, match="leave schedule out"):
        searched(Adapter(), candidate_selection_strategy=Selector())
    with pytest.raises(ValueError, match="'ordered', 'free' or None"):
        searched(Adapter(), schedule="wild")


def test_callbacks_hear_of_candidates() -> None:
    class Counting:
        def __init__(self) -> None:
            self.accepted: list[int] = []
            self.ended = 0

        def on_candidate_accepted(self, event: Any) -> None:
            self.accepted.append(event["new_candidate_idx"])

        def on_iteration_end(self, event: Any) -> None:
            self.ended += 1

    counting = Counting()
    result = searched(Adapter(), callbacks=[counting], custom_candidate_proposer=one_higher)
    assert counting.accepted == list(range(1, len(result.candidates)))
    assert counting.ended >= len(counting.accepted)


def test_a_caller_stops_the_run_and_goes_on_later(tmp_path: Path) -> None:
    folder = str(tmp_path)
    first = searched(Adapter(), budget=None, max_metric_calls=60, run_dir=folder)
    assert first.total_metric_calls >= 60
    adapter = Adapter()
    second = searched(adapter, budget=None, max_metric_calls=120, run_dir=folder)
    assert second.candidates[: len(first.candidates)] == first.candidates
    assert 0 < adapter.calls < 120


def test_what_runs_when_a_limit_is_reached_is_counted_and_kept(tmp_path: Path) -> None:
    adapter = Slow()
    result = searched(adapter, budget=None, max_metric_calls=60, run_dir=str(tmp_path))
    assert adapter.calls == result.total_metric_calls
    outcomes = gepa_engine.Run(str(tmp_path)).columns("rollouts")["outcome"]
    assert len(outcomes) == adapter.calls
