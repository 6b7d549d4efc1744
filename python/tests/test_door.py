"""What `optimize` promises its callers."""

from __future__ import annotations

import asyncio
import contextvars
import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import gepa_engine
from gepa_engine import EvaluationBatch, Run, optimize


class Silent:
    def log(self, message: str) -> None:
        pass


class Adapter:
    """Scores 1 where the number in the text reaches the example's number."""

    propose_new_texts = None

    def __init__(self) -> None:
        self.calls: list[list[Any]] = []
        self.threads: set[int] = set()

    def evaluate(self, batch: list[Any], candidate: dict[str, str], capture_traces: bool = False) -> EvaluationBatch:
        self.calls.append(batch)
        self.threads.add(threading.get_ident())
        level = int(candidate["prompt"])
        return EvaluationBatch(
            outputs=[object() for _ in batch],
            scores=[float(level >= example["level"]) for example in batch],
            trajectories=[object() for _ in batch] if capture_traces else None,
        )

    def make_reflective_dataset(self, candidate: Any, batch: Any, names: list[str]) -> Any:
        return {name: [{"Feedback": "higher"} for _ in batch.trajectories] for name in names}


def up(candidate: dict[str, str], dataset: Any, names: list[str]) -> dict[str, str]:
    return {name: str(int(candidate[name]) + 1) for name in names}


def examples(count: int = 8) -> list[dict[str, int]]:
    return [{"level": level} for level in range(count)]


def run(adapter: Any = None, **given: Any) -> gepa_engine.GEPAResult:
    arguments: dict[str, Any] = {
        "seed_candidate": {"prompt": "0"},
        "trainset": examples(),
        "adapter": adapter or Adapter(),
        "custom_candidate_proposer": up,
        "max_metric_calls": 100,
        "logger": Silent(),
    }
    return optimize(**{**arguments, **given})


def test_the_adapter_gets_the_very_objects_on_the_callers_thread() -> None:
    adapter, train = Adapter(), examples()
    result = run(adapter, trainset=train)
    assert result.num_candidates > 2
    known = {id(one) for one in train}
    assert all(id(one) in known for batch in adapter.calls for one in batch)
    assert adapter.calls[0] == train and adapter.threads == {threading.get_ident()}


def test_an_exception_of_the_adapter_comes_back_as_the_same_object() -> None:
    raised = KeyError("the service is gone")

    class Broken(Adapter):
        def evaluate(self, batch: Any, candidate: Any, capture_traces: bool = False) -> Any:
            if len(self.calls) == 3:
                raise raised
            return super().evaluate(batch, candidate, capture_traces)

    with pytest.raises(KeyError) as caught:
        run(Broken())
    assert caught.value is raised


def test_a_run_can_go_on_after_an_exception() -> None:
    errors: list[Any] = []

    class Flaky(Adapter):
        def evaluate(self, batch: Any, candidate: Any, capture_traces: bool = False) -> Any:
            if len(self.calls) == 5:
                self.calls.append([])
                raise ValueError("once")
            return super().evaluate(batch, candidate, capture_traces)

    class Callback:
        def on_error(self, event: dict[str, Any]) -> None:
            errors.append((str(event["exception"]), event["will_continue"]))

    result = run(Flaky(), raise_on_exception=False, callbacks=[Callback()])
    assert errors == [("once", True)] and result.num_candidates > 2


def test_context_variables_reach_the_adapter_and_other_threads() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="lost")
    seen: set[str] = set()

    class Reading(Adapter):
        def evaluate(self, batch: Any, candidate: Any, capture_traces: bool = False) -> Any:
            seen.add(variable.get())
            return super().evaluate(batch, candidate, capture_traces)

    variable.set("kept")
    single, many = run(Reading()), run(Reading(), parallel=4)
    assert seen == {"kept"}
    assert single.candidates == many.candidates and single.total_metric_calls == many.total_metric_calls


def test_coroutines_run_with_and_without_a_running_loop() -> None:
    class Waiting(Adapter):
        async def evaluate(self, batch: Any, candidate: Any, capture_traces: bool = False) -> Any:
            await asyncio.sleep(0)
            return Adapter.evaluate(self, batch, candidate, capture_traces)

    plain = run(Waiting())

    async def inside() -> gepa_engine.GEPAResult:
        with pytest.raises(RuntimeError, match="optimize_async"):
            run(Waiting())
        return await gepa_engine.optimize_async(
            {"prompt": "0"},
            examples(),
            adapter=Waiting(),
            custom_candidate_proposer=up,
            max_metric_calls=100,
            logger=Silent(),
        )

    assert asyncio.run(inside()).candidates == plain.candidates


def test_a_budget_is_never_overshot_and_held_out_examples_are_scored() -> None:
    held_out = examples(4)
    adapter = Adapter()
    result = run(adapter, max_metric_calls=None, budget={"rollouts": 60}, held_out=held_out)
    assert sum(map(len, adapter.calls)) <= 60
    assert result.held_out is not None and result.held_out[0]["candidate"] == 0
    assert len(result.held_out[0]["scores"]) == 4 and "rollout budget" in (result.stop_reason or "")


def test_a_run_that_nothing_would_end_is_refused() -> None:
    with pytest.raises(ValueError, match="max_metric_calls"):
        run(max_metric_calls=None)


def test_a_file_in_the_run_folder_stops_the_run(tmp_path: Path) -> None:
    class Stopping(Adapter):
        def evaluate(self, batch: Any, candidate: Any, capture_traces: bool = False) -> Any:
            if len(self.calls) == 6:
                (tmp_path / "gepa.stop").touch()
            return super().evaluate(batch, candidate, capture_traces)

    stopped = run(Stopping(), run_dir=str(tmp_path), max_metric_calls=10_000, trainset=examples(50))
    assert stopped.total_metric_calls is not None and stopped.total_metric_calls < 500
    (tmp_path / "gepa.stop").unlink()
    further = run(run_dir=str(tmp_path), max_metric_calls=800, trainset=examples(50))
    assert further.candidates[: stopped.num_candidates] == stopped.candidates


def test_a_process_that_is_killed_anywhere_goes_on_without_paying_twice(tmp_path: Path) -> None:
    program = Path(__file__).with_name("killed_program.py")

    def start(name: str, kill_at: int) -> int:
        command = [sys.executable, str(program), str(tmp_path / name), str(kill_at)]
        return subprocess.run(command, capture_output=True, check=False).returncode

    def outcome(name: str) -> tuple[Any, int]:
        paid = sum(map(int, (tmp_path / f"{name}.paid").read_text("utf-8").split()))
        result = json.loads((tmp_path / f"{name}.json").read_text("utf-8"))
        return {**result, "run_dir": None}, paid

    assert start("whole", -1) == 0
    for kill_at in (3, 11, 14, 17, 60, 77, 130):
        name = f"killed{kill_at}"
        assert start(name, kill_at) == -signal.SIGKILL
        assert start(name, -1) == 0
        assert outcome(name) == outcome("whole"), f"killed after {kill_at} calls"


def test_ctrl_c_leaves_a_run_that_goes_on(tmp_path: Path) -> None:
    class Interrupted(Adapter):
        def evaluate(self, batch: Any, candidate: Any, capture_traces: bool = False) -> Any:
            if len(self.calls) == 4:
                os.kill(os.getpid(), signal.SIGINT)
            return super().evaluate(batch, candidate, capture_traces)

    # A shell starts commands in the background with this signal ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            run(Interrupted(), run_dir=str(tmp_path))
    finally:
        signal.signal(signal.SIGINT, before)
    assert run(run_dir=str(tmp_path)).candidates == run().candidates


def test_a_metric_may_call_optimize_itself() -> None:
    class Nested(Adapter):
        def evaluate(self, batch: Any, candidate: Any, capture_traces: bool = False) -> Any:
            if not self.calls:
                assert run().num_candidates > 1
            return super().evaluate(batch, candidate, capture_traces)

    assert run(Nested()).num_candidates > 1


def test_a_stored_run_can_be_read_as_tables(tmp_path: Path) -> None:
    result = run(run_dir=str(tmp_path))
    stored = Run(str(tmp_path))
    assert stored.run_id == result.run_id
    columns = stored.columns("candidates")
    accepted = [index for index in columns["index"] if index is not None]
    assert len(accepted) == result.num_candidates
    assert stored.best["mean_score"] == result.best_score
    assert "<table" in stored._repr_html_() and "<table" in result._repr_html_()
    with pytest.raises(RuntimeError, match="there is no table `wrong`"):
        stored.columns("wrong")


def test_callbacks_come_in_the_order_of_the_reference() -> None:
    names: list[str] = []

    class All:
        def __getattr__(self, name: str) -> Any:
            if name.startswith("on_"):
                return lambda event: names.append(name[3:])
            raise AttributeError(name)

    run(callbacks=[All()], max_metric_calls=20)
    begin = ["optimization_start", "valset_evaluated"]
    minibatch = ["evaluation_start", "evaluation_end", "budget_updated"]
    first = ["state_saved", "iteration_start", "candidate_selected", "minibatch_sampled", *minibatch]
    reflection = ["reflective_dataset_built", "proposal_start", "proposal_end", *minibatch]
    assert names[: len(begin + first + reflection)] == begin + first + reflection
    assert names[-1] == "optimization_end"


def test_a_reflection_model_reads_the_records_and_its_fenced_answer_is_taken() -> None:
    prompts: list[str] = []

    def model(prompt: str) -> str:
        prompts.append(prompt)
        level = int(re.findall(r"```\n(\d+)\n```", prompt)[0])
        return f"Here it is:\n```text\n{level + 1}\n```\nGood luck."

    result = run(custom_candidate_proposer=None, reflection_lm=model)
    assert result.best_candidate["prompt"].isdigit() and result.num_candidates > 2
    assert "## Feedback\nhigher" in prompts[0]


def test_results_survive_a_round_trip() -> None:
    result = run()
    again = gepa_engine.GEPAResult.from_dict(result.to_dict())
    assert again.to_dict() == result.to_dict()
