"""What only this engine has: budgets in what was spent, plans, stores, tables, differences."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import gepa_engine


class Adapter:
    """Scores a number: how many of the examples it reaches."""

    propose_new_texts = None

    def __init__(self, usage: dict[str, float] | None = None, wait: float = 0.0) -> None:
        self.usage = usage
        self.wait = wait
        self.calls = 0

    def evaluate(self, batch: list[int], candidate: dict[str, str], capture_traces: bool = False) -> Any:
        time.sleep(self.wait)
        self.calls += len(batch)
        level = int(candidate["prompt"])
        return gepa_engine.EvaluationBatch(
            outputs=[level for _ in batch],
            scores=[float(level >= example) for example in batch],
            trajectories=[{"example": example} for example in batch] if capture_traces else None,
            usage=None if self.usage is None else [self.usage for _ in batch],
        )

    def make_reflective_dataset(self, candidate: Any, batch: Any, names: list[str]) -> Any:
        return {name: [{"Feedback": "higher"}] for name in names}


def one_higher(candidate: dict[str, str], dataset: Any, names: list[str]) -> dict[str, str]:
    return {name: str(int(candidate[name]) + 1) for name in names}


class Silent:
    def log(self, message: str) -> None:
        pass


def optimized(adapter: Adapter, **options: Any) -> gepa_engine.GEPAResult:
    given: dict[str, Any] = {
        "trainset": list(range(1, 9)),
        "adapter": adapter,
        "custom_candidate_proposer": one_higher,
        "logger": Silent(),
    }
    return gepa_engine.optimize({"prompt": "0"}, **(given | options))


def test_a_budget_of_tokens_ends_the_run_after_the_step_that_reached_it() -> None:
    adapter = Adapter(usage={"prompt_tokens": 10, "completion_tokens": 5})
    result = optimized(adapter, budget={"tokens": 500}, store="memory:")
    assert 500 <= adapter.calls * 15 < 500 + 15 * (3 + 3 + 8)
    assert result.stop_reason == f"limit of tokens: {adapter.calls * 15} of 500 used"


def test_what_was_spent_by_an_earlier_process_counts(tmp_path: Path) -> None:
    usage = {"cost_usd": 0.01}
    first = Adapter(usage=usage)
    optimized(first, budget={"dollars": 0.3}, run_dir=str(tmp_path))
    again = Adapter(usage=usage)
    optimized(again, budget={"dollars": 0.3}, run_dir=str(tmp_path))
    assert again.calls == 0
    more = Adapter(usage=usage)
    optimized(more, budget={"dollars": 0.6}, run_dir=str(tmp_path))
    assert more.calls > 0
    spent = gepa_engine.Run(str(tmp_path)).statistics["total_cost_usd"]
    assert spent == pytest.approx(0.01 * (first.calls + more.calls))


def test_a_budget_of_seconds_ends_the_run() -> None:
    result = optimized(Adapter(wait=0.02), budget={"seconds": 0.1})
    assert result.stop_reason is not None and result.stop_reason.startswith("limit of seconds")


def test_the_reflection_model_is_counted() -> None:
    class Model:
        total_cost = 0.0
        total_tokens_in = 0
        total_tokens_out = 0

        def __call__(self, prompt: Any) -> str:
            self.total_cost += 0.25
            self.total_tokens_in += 100
            return "```\n1\n```"

    result = optimized(
        Adapter(), custom_candidate_proposer=None, reflection_lm=Model(), budget={"dollars": 0.5, "rollouts": 1000}
    )
    assert result.stop_reason == "limit of dollars: 0.5 of 0.5 used"


def test_dollars_are_refused_where_no_price_is_known() -> None:
    with pytest.raises(ValueError, match="total_cost"):
        optimized(Adapter(), custom_candidate_proposer=None, reflection_lm=lambda prompt: "", budget={"dollars": 1})
    with pytest.raises(ValueError, match="above 0"):
        optimized(Adapter(), budget={"seconds": 0})
    with pytest.raises(ValueError, match="no key 'euros'"):
        optimized(Adapter(), budget={"euros": 1})


def test_a_plan_calls_nothing_and_writes_nothing(tmp_path: Path) -> None:
    adapter = Adapter()
    plan = gepa_engine.plan(
        {"prompt": "0"},
        list(range(8)),
        adapter=adapter,
        custom_candidate_proposer=one_higher,
        max_metric_calls=100,
        held_out=list(range(50)),
        run_dir=str(tmp_path / "new"),
    )
    assert adapter.calls == 0
    assert os.listdir(tmp_path) == []
    assert plan.affordable is False
    assert plan.compared_examples == 50
    assert plan.floor.validation_rollouts == 100
    assert "one proposal" in str(plan) and "<pre>" in plan._repr_html_()
    enough = gepa_engine.plan(
        {"prompt": "0"},
        list(range(8)),
        adapter=adapter,
        custom_candidate_proposer=one_higher,
        budget={"rollouts": 200},
    )
    assert enough.affordable and enough.most.rollouts == 200


def finished(folder: Path) -> gepa_engine.Run:
    optimized(Adapter(), max_metric_calls=80, run_dir=str(folder))
    return gepa_engine.Run(str(folder))


def test_tables_are_read_by_pandas_polars_and_pyarrow(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas", reason="SKIPPED: pandas is not installed")
    polars = pytest.importorskip("polars", reason="SKIPPED: polars is not installed")
    pyarrow = pytest.importorskip("pyarrow", reason="SKIPPED: pyarrow is not installed")
    run = finished(tmp_path)
    for name in ("candidates", "trials", "rollouts", "reflections", "events", "statistics"):
        columns = run.columns(name)
        rows = len(next(iter(columns.values())))
        arrow = pyarrow.table(run.table(name))
        assert arrow.column_names == list(columns) and arrow.num_rows == rows == len(run.table(name))
        assert isinstance(run.frame(name), pandas.DataFrame)
        assert isinstance(run.frame(name, "polars"), polars.DataFrame)
    rollouts = run.columns("rollouts")
    frame = run.frame("rollouts")
    assert frame["score"].tolist() == rollouts["score"]
    assert frame["iteration"].tolist() == rollouts["iteration"]
    assert str(frame["iteration"].dtype) == "int64" and str(frame["score"].dtype) == "float64"
    assert polars.DataFrame(run.rollouts)["seed"].to_list() == rollouts["seed"]


def test_a_table_outlives_its_run_object_and_is_read_twice(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="SKIPPED: pyarrow is not installed")
    table = finished(tmp_path).candidates
    capsule = table.__arrow_c_stream__()
    del capsule
    first, second = pyarrow.table(table), pyarrow.table(table)
    del table
    assert first.equals(second)
    assert first.column("index").to_pylist()[0] == 0


def test_an_unknown_table_and_an_unknown_run_are_named(tmp_path: Path) -> None:
    run = finished(tmp_path)
    with pytest.raises(RuntimeError, match="candidates, trials, rollouts, reflections and events"):
        run.table("nothing")
    with pytest.raises(LookupError, match="'baseline' or 'best'"):
        run.candidate(10_000)
    with pytest.raises(RuntimeError):
        gepa_engine.Run(f"sqlite://{tmp_path}/none.db")


def test_a_difference_names_texts_and_examples(tmp_path: Path) -> None:
    run = finished(tmp_path)
    best = run.best
    diff = run.diff()
    assert diff.texts == {"prompt": ("0", best["components"]["prompt"])}
    assert len(diff.won) == int(best["components"]["prompt"]) and diff.lost == []
    assert diff.gain == pytest.approx(best["mean_score"])
    assert f"+{best['components']['prompt']}" in str(diff)
    back = run.diff("best", 0)
    assert back.lost == diff.won and back.gain == pytest.approx(-best["mean_score"])
    assert "&lt;" not in diff._repr_html_() and "<pre>" in diff._repr_html_()


def test_a_run_is_followed_from_another_thread(tmp_path: Path) -> None:
    store = f"sqlite://{tmp_path}/runs.db"
    ready = threading.Event()

    class Telling:
        def on_iteration_start(self, event: Any) -> None:
            ready.set()

    def work() -> None:
        optimized(Adapter(wait=0.01), max_metric_calls=150, store=store, callbacks=[Telling()])

    thread = threading.Thread(target=work)
    thread.start()
    assert ready.wait(30)
    run = gepa_engine.Run(store)
    seen = [one["total_rollouts"] for one in run.follow(interval=0.02)]
    thread.join()
    assert seen == sorted(seen) and len(seen) > 1
    assert seen[-1] == run.statistics["total_rollouts"]
    assert run.is_over
    assert run.run_id in run._repr_html_()


def test_runs_are_kept_in_postgres() -> None:
    url = os.environ.get("GEPA_TEST_POSTGRES")
    if not url:
        pytest.skip("SKIPPED: no PostgreSQL server; .ci/run starts one for the Python package")
    name = f"python-{time.time_ns()}"
    first = optimized(Adapter(), max_metric_calls=40, store=url, run_id=name, held_out=[1, 2])
    run = gepa_engine.Run(url, first.run_id)
    assert run.best["mean_score"] == first.best_score
    again = Adapter()
    second = optimized(again, max_metric_calls=40, store=url, run_id=name, held_out=[1, 2])
    assert again.calls == 0
    assert second.candidates == first.candidates


def test_limits_are_asked_before_each_step_of_an_iteration(tmp_path: Path) -> None:
    used = {"prompt_tokens": 10, "completion_tokens": 0}
    for where in ({}, {"run_dir": str(tmp_path)}):
        adapter = Adapter(used)
        # The seed uses 80 tokens and the first minibatch 30.
        result = optimized(adapter, budget={"tokens": 100}, **where)
        assert adapter.calls == 11
        assert result.stop_reason == "limit of tokens: 110 of 100 used"
    # The iteration that the limit cut goes on under a greater one, and pays nothing twice.
    again = Adapter(used)
    result = optimized(again, budget={"tokens": 1_500}, run_dir=str(tmp_path))
    assert again.calls + 11 == result.total_metric_calls
    assert len(result.candidates) > 1


def test_optimize_anything_keeps_proposals_in_flight() -> None:
    running, most = [0], [0]
    lock = threading.Lock()

    def evaluate(candidate: str, example: int) -> float:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.005)
        with lock:
            running[0] -= 1
        gepa_engine.log("higher")
        return float(int(candidate) >= example)

    def config(workers: int) -> gepa_engine.GEPAConfig:
        return gepa_engine.GEPAConfig(
            engine=gepa_engine.EngineConfig(
                max_metric_calls=150, schedule="ordered", lags=(2, 2), max_workers=workers, frontier_type="instance"
            ),
            reflection=gepa_engine.ReflectionConfig(custom_candidate_proposer=one_higher),
            logger=Silent(),
        )

    found = [
        gepa_engine.optimize_anything("0", evaluator=evaluate, dataset=list(range(1, 9)), config=config(workers))
        for workers in (1, 8)
    ]
    assert most[0] > 1
    assert found[0].candidates[:5] == found[1].candidates[:5]
    assert len(found[1].candidates) > 2
