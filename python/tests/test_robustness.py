"""Surroundings that programs of users bring along: forks, threads, event loops, large sets and large outputs."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from pathlib import Path
from typing import Any

import pytest

import gepa_engine


class Silent:
    def log(self, message: str) -> None:
        pass


class Adapter:
    """Scores a number: how many of the examples it reaches. `size` is the length of each output."""

    propose_new_texts = None

    def __init__(self, size: int = 1) -> None:
        self.size = size
        self.calls = 0

    def evaluate(self, batch: list[int], candidate: dict[str, str], capture_traces: bool = False) -> Any:
        self.calls += len(batch)
        level = int(candidate["prompt"])
        return gepa_engine.EvaluationBatch(
            outputs=["x" * self.size for _ in batch],
            scores=[float(level >= example) for example in batch],
            trajectories=list(batch) if capture_traces else None,
        )

    def make_reflective_dataset(self, candidate: Any, batch: Any, names: list[str]) -> Any:
        return {name: [{"Feedback": "higher"}] for name in names}


def up(candidate: dict[str, str], dataset: Any, names: list[str]) -> dict[str, str]:
    return {name: str(int(candidate[name]) + 1) for name in names}


def optimized(adapter: Any = None, **options: Any) -> gepa_engine.GEPAResult:
    given: dict[str, Any] = {
        "trainset": list(range(1, 9)),
        "adapter": adapter or Adapter(),
        "custom_candidate_proposer": up,
        "max_metric_calls": 300,
        "logger": Silent(),
    }
    return gepa_engine.optimize({"prompt": "0"}, **(given | options))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
def test_a_forked_child_runs_on_its_own_and_leaves_the_run_of_its_parent_alone(tmp_path: Path) -> None:
    class Forking(Adapter):
        def evaluate(self, batch: Any, candidate: Any, capture_traces: bool = False) -> Any:
            if self.calls == 0:
                child = os.fork()
                if child == 0:
                    # A child that raised would go on with the tests.
                    try:
                        # It has none of the threads of the earlier run, which is garbage now.
                        gc.collect()
                        optimized(run_dir=str(tmp_path / "child"))
                        os._exit(0)
                    finally:
                        os._exit(2)
                assert os.waitpid(child, 0)[1] == 0
            return super().evaluate(batch, candidate, capture_traces)

    gc.collect()
    gc.disable()
    try:
        optimized(run_dir=str(tmp_path / "before"))
        parent = optimized(Forking(), run_dir=str(tmp_path / "parent"))
    finally:
        gc.enable()
    alone = optimized()
    assert parent.val_aggregate_scores == alone.val_aggregate_scores
    of_child = gepa_engine.Run(str(tmp_path / "child")).columns("candidates")["mean_score"]
    assert [score for score in of_child if score is not None] == alone.val_aggregate_scores


def test_calls_on_several_threads_do_not_disturb_each_other(tmp_path: Path) -> None:
    results: dict[int, gepa_engine.GEPAResult] = {}

    def work(number: int) -> None:
        # Two with folders of their own, two that share a store.
        where = {"run_dir": str(tmp_path / str(number))} if number < 2 else {"store": f"sqlite://{tmp_path}/runs.db"}
        results[number] = optimized(seed=number, **where)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(4):
        assert results[number].candidates == optimized(seed=number).candidates


def test_a_folder_that_a_run_is_using_is_refused_and_the_first_run_goes_on(tmp_path: Path) -> None:
    refused: list[str] = []

    class Nested(Adapter):
        def evaluate(self, batch: Any, candidate: Any, capture_traces: bool = False) -> Any:
            if not refused:
                with pytest.raises(RuntimeError) as error:
                    optimized(run_dir=str(tmp_path))
                refused.append(str(error.value))
            return super().evaluate(batch, candidate, capture_traces)

    assert optimized(Nested(), run_dir=str(tmp_path)).best_score == 1.0
    assert refused and refused[0]


def test_plain_functions_run_inside_a_running_loop_and_coroutines_name_the_way_out() -> None:
    class Awaited(Adapter):
        async def evaluate(self, *arguments: Any, **named: Any) -> Any:  # type: ignore[override]
            return Adapter.evaluate(self, *arguments, **named)

    async def inside() -> None:
        assert optimized().best_score == 1.0
        with pytest.raises(RuntimeError, match="optimize_async"):
            optimized(Awaited())

    asyncio.run(inside())


def test_ten_thousand_examples(tmp_path: Path) -> None:
    many = list(range(1, 10_001))
    adapter = Adapter()
    kept = optimized(adapter, trainset=many, budget={"rollouts": 20_100}, max_metric_calls=None, run_dir=str(tmp_path))
    assert adapter.calls == kept.total_metric_calls <= 20_100
    assert len(kept.val_subscores[0]) == 10_000
    assert len(gepa_engine.Run(str(tmp_path)).columns("rollouts")["outcome"]) == adapter.calls


def test_outputs_of_ten_megabytes_are_kept_and_a_run_goes_on_with_them(tmp_path: Path) -> None:
    size = 10 << 20
    first = Adapter(size)
    optimized(first, trainset=[1, 2], max_metric_calls=6, run_dir=str(tmp_path))
    second = Adapter(size)
    whole = optimized(second, trainset=[1, 2], max_metric_calls=12, run_dir=str(tmp_path))
    assert first.calls + second.calls == whole.total_metric_calls
    # Those of the first process come from the journal.
    assert whole.best_outputs_valset is not None
    assert {len(output) for best in whole.best_outputs_valset.values() for _, output in best} == {size}


def test_a_score_that_is_no_number_names_itself_and_nothing_is_lost(tmp_path: Path) -> None:
    class Broken(Adapter):
        def evaluate(self, batch: Any, candidate: Any, capture_traces: bool = False) -> Any:
            found = super().evaluate(batch, candidate, capture_traces)
            if candidate["prompt"] == "2":
                found.scores = [float("nan") for _ in batch]
            return found

    broken, whole = Broken(), Adapter()
    with pytest.raises(ValueError, match="NaN"):
        optimized(broken, run_dir=str(tmp_path))
    result = optimized(whole, run_dir=str(tmp_path))
    assert result.candidates == optimized().candidates
    # Only the minibatch without scores is bought again.
    assert broken.calls + whole.calls <= result.total_metric_calls + 3


def test_a_task_that_is_cancelled_ends_its_run(tmp_path: Path) -> None:
    class Waiting(Adapter):
        async def evaluate(self, *arguments: Any, **named: Any) -> Any:  # type: ignore[override]
            if self.calls > 20:
                reached.set()
                await asyncio.sleep(3600)
            return Adapter.evaluate(self, *arguments, **named)

    given: dict[str, Any] = {
        "trainset": list(range(1, 9)),
        "custom_candidate_proposer": up,
        "max_metric_calls": 300,
        "logger": Silent(),
        "run_dir": str(tmp_path),
    }
    waiting, plain = Waiting(), Adapter()

    async def cancelled() -> None:
        task = asyncio.ensure_future(gepa_engine.optimize_async({"prompt": "0"}, adapter=waiting, **given))
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    reached = asyncio.Event()
    asyncio.run(cancelled())
    for thread in threading.enumerate():
        if thread.name == "gepa-optimize":
            thread.join(60)
            assert not thread.is_alive()
    # What was bought before is kept, and the folder is free.
    result = gepa_engine.optimize({"prompt": "0"}, adapter=plain, **given)
    assert waiting.calls + plain.calls == result.total_metric_calls
    assert result.candidates == optimized().candidates


def test_a_stop_iteration_reaches_the_task_that_waits() -> None:
    raised = StopIteration()

    class Raising(Adapter):
        def evaluate(self, batch: Any, candidate: Any, capture_traces: bool = False) -> Any:
            raise raised

    async def inside() -> None:
        with pytest.raises(RuntimeError, match="StopIteration") as error:
            await gepa_engine.optimize_async(
                {"prompt": "0"}, trainset=[1], adapter=Raising(), custom_candidate_proposer=up, max_metric_calls=5
            )
        assert error.value.__cause__ is raised

    asyncio.run(asyncio.wait_for(inside(), 60))
