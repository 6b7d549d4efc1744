"""What adapters, models and callers return and pass that is no plain JSON, no text or no number."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from test_robustness import Adapter, Silent, optimized

import gepa_engine
from gepa_engine._events import FileLogger
from gepa_engine._model import CountedModel, LitellmModel


class Odd(Adapter):
    """Changes what the adapter returns."""

    def __init__(self, **changes: Any) -> None:
        super().__init__()
        self.changes = changes

    def evaluate(self, batch: Any, candidate: Any, capture_traces: bool = False) -> Any:
        found = super().evaluate(batch, candidate, capture_traces)
        for name, value in self.changes.items():
            setattr(found, name, value(found))
        return found


class Array:
    """Compares like an array of numpy: with one answer for each element, which has no truth value."""

    def __eq__(self, other: object) -> Any:
        return self

    def __bool__(self) -> bool:
        raise ValueError("the truth value of an array is ambiguous")


class Unshowable:
    def __repr__(self) -> str:
        raise RuntimeError("it cannot be shown")


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("output", [Array(), Unshowable(), nested(100_000), "\ud800", float("nan")])
def test_outputs_of_any_kind_are_handed_back_and_end_no_run(tmp_path: Path, output: Any) -> None:
    plain = optimized()
    for where in ({}, {"run_dir": str(tmp_path)}):
        result = optimized(Odd(outputs=lambda found: [output for _ in found.scores]), **where)
        assert result.val_aggregate_scores == plain.val_aggregate_scores
        assert result.best_outputs_valset is not None
        assert all(best[0][1] is output for best in result.best_outputs_valset.values())


@pytest.mark.parametrize("value", [float("nan"), "\ud800", nested(500), nested(100_000), Unshowable()])
def test_records_that_are_no_json_to_the_journal_end_no_run(tmp_path: Path, value: Any) -> None:
    class Recording(Adapter):
        def make_reflective_dataset(self, candidate: Any, batch: Any, names: list[str]) -> Any:
            return {name: [{"Feedback": value}] for name in names}

    first, second = Recording(), Recording()
    optimized(first, run_dir=str(tmp_path), max_metric_calls=60)
    result = optimized(second, run_dir=str(tmp_path))
    assert result.candidates == optimized().candidates
    assert first.calls + second.calls == result.total_metric_calls


def test_a_model_that_gives_no_text_proposes_nothing() -> None:
    asked: list[str] = []

    def refusing(prompt: str) -> Any:
        asked.append(prompt)

    result = optimized(custom_candidate_proposer=None, reflection_lm=refusing, max_metric_calls=40)
    assert asked and result.candidates == [{"prompt": "0"}]
    with pytest.raises(TypeError, match="NoneType instead of a text"):
        gepa_engine.optimize_anything(
            evaluator=len,
            objective="A text.",
            config=gepa_engine.GEPAConfig(
                engine=gepa_engine.EngineConfig(max_metric_calls=5),
                reflection=gepa_engine.ReflectionConfig(reflection_lm=refusing),
            ),
        )


@pytest.mark.parametrize("schedule", [None, "ordered"])
def test_single_surrogates_of_a_model_are_replaced_and_pairs_are_joined(schedule: Any, tmp_path: Path) -> None:
    class Long(Adapter):
        def evaluate(self, batch: Any, candidate: Any, capture_traces: bool = False) -> Any:
            return super().evaluate(batch, {"prompt": str(len(candidate["prompt"]))}, capture_traces)

    result = optimized(
        Long(),
        custom_candidate_proposer=lambda candidate, dataset, names: {
            "prompt": candidate["prompt"] + "\ud83d\ude00\ud800"
        },
        run_dir=str(tmp_path),
        schedule=schedule,
        max_metric_calls=60,
    )
    assert result.candidates[1]["prompt"] == "0\U0001f600\ufffd"
    assert gepa_engine.Run(tmp_path).candidate(1)["components"] == result.candidates[1]


def test_a_log_takes_what_the_console_and_the_file_cannot_hold(tmp_path: Path, capsys: Any) -> None:
    FileLogger(str(tmp_path / "log")).log("a \ud800 b")
    assert (tmp_path / "log").read_text("utf-8") == "a \\ud800 b\n"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scores": lambda found: [*found.scores[:-1], None]}, "type NoneType at place 7"),
        ({"scores": lambda found: ["1" for _ in found.scores]}, "type str at place 0"),
        ({"scores": lambda found: None}, "without a list of scores"),
        ({"outputs": lambda found: iter(found.outputs)}, "without a list of outputs"),
        ({"objective_scores": lambda found: [{"a": 1.0}]}, "1 objective_scores for 8 examples"),
        ({"objective_scores": lambda found: [{"a": float("nan")} for _ in found.scores]}, "NaN for the objective `a`"),
    ],
)
def test_what_is_wrong_with_an_answer_of_the_adapter_is_said(changes: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        optimized(Odd(**changes))


def test_an_adapter_that_returns_nothing_is_named() -> None:
    class Nothing(Adapter):
        def evaluate(self, batch: Any, candidate: Any, capture_traces: bool = False) -> Any:
            return None

    with pytest.raises(TypeError, match="type NoneType without a list of scores; return an EvaluationBatch"):
        optimized(Nothing())


def test_an_infinite_objective_is_a_very_large_one() -> None:
    result = optimized(Odd(objective_scores=lambda found: [{"a": float("inf")} for _ in found.scores]))
    assert result.candidates == optimized().candidates


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": 1.5}, "seed is 1.5"),
        ({"seed": 1 << 64}, "seed is 18446744073709551616"),
        ({"reflection_minibatch_size": -1}, "reflection_minibatch_size is -1"),
        ({"max_merge_invocations": -1}, "max_merge_invocations is -1"),
        ({"budget": {"rollouts": -1}}, r"budget\['rollouts'\] is -1"),
        ({"budget": {"iterations": 2.5}}, r"budget\['iterations'\] is 2.5"),
        ({"budget": {"target_score": float("nan")}}, r"budget\['target_score'\] is nan"),
        ({"budget": {"seconds": "a"}}, r"budget\['seconds'\] is 'a'"),
        ({"trainset": {"a": 1}}, "this is dict"),
    ],
)
def test_an_argument_that_cannot_be_used_is_named(options: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        optimized(**options)


@pytest.mark.parametrize("candidate", ["0", {"prompt": 0}, {1: "0"}, {"prompt": "\ud800"}])
def test_a_seed_candidate_that_is_no_text_is_named(candidate: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="seed_candidate"):
        gepa_engine.optimize(candidate, trainset=[1], adapter=Adapter(), max_metric_calls=5, logger=Silent())


@pytest.mark.parametrize("perfect", [float("inf"), float("nan")])
def test_a_perfect_score_that_no_score_reaches_skips_nothing(perfect: float) -> None:
    proposed: list[str] = []

    def propose(candidate: Any, dataset: Any, names: list[str]) -> dict[str, str]:
        proposed.append(candidate["prompt"])
        return {}

    adapter = Odd(scores=lambda found: [1.0 for _ in found.scores])
    optimized(adapter, perfect_score=perfect, custom_candidate_proposer=propose, max_metric_calls=30)
    assert proposed


@pytest.mark.parametrize("mode", ["any", "all"])
def test_an_exception_of_a_stop_condition_is_raised_as_it_is(mode: str) -> None:
    raised = StopIteration("from a stop condition")

    def raising(state: Any) -> bool:
        raise raised

    with pytest.raises(StopIteration) as error:
        optimized(stop_callbacks=gepa_engine.CompositeStopper(raising, raising, mode=mode))
    assert error.value is raised


@pytest.mark.parametrize("of_litellm", [False, True])
def test_models_on_several_threads_count_every_token_and_dollar(of_litellm: bool) -> None:
    model: Any
    if of_litellm:

        class Litellm:
            @staticmethod
            def completion(**given: Any) -> Any:
                message = type("Message", (), {"content": "text"})
                usage = type("Usage", (), {"prompt_tokens": 3, "completion_tokens": 2})
                return type("Reply", (), {"usage": usage, "choices": [type("Choice", (), {"message": message})]})

            @staticmethod
            def completion_cost(completion_response: Any) -> float:
                # Long enough that the threads meet here.
                time.sleep(0.002)
                return 0.5

        model = LitellmModel.__new__(LitellmModel)
        super(LitellmModel, model).__init__()
        model._litellm, model.name, model.options = Litellm(), "a model", {}
    else:
        model = CountedModel(lambda prompt: "12345678")
    threads = [threading.Thread(target=lambda: [model("123456789012") for _ in range(20)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (model.total_tokens_in, model.total_tokens_out) == (3 * 160, 2 * 160)
    assert model.total_cost == (80.0 if of_litellm else 0.0)


def test_a_run_is_found_by_its_path_and_by_its_name(tmp_path: Path) -> None:
    store = f"sqlite://{tmp_path}/runs.db"
    named = optimized(store=store, run_id="a name")
    assert gepa_engine.Run(store, "a name").run_id == named.run_id
    in_folder = optimized(run_dir=tmp_path / "folder")
    assert gepa_engine.Run(tmp_path / "folder").run_id == in_folder.run_id
    assert [run.run_id for run in gepa_engine.Run.all(tmp_path / "folder")] == [in_folder.run_id]
    assert json.loads(json.dumps(in_folder.to_dict()))["run_dir"] == str(tmp_path / "folder")
    assert in_folder.stop_reason == named.stop_reason == "a stop condition of the caller was reached"
    with pytest.raises(ValueError, match="'pandas' or 'polars'"):
        gepa_engine.Run(store).frame("candidates", "numpy")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options",
    [
        {"max_metric_calls": None, "budget": {"dollars": 1.0}},
        {"max_metric_calls": None, "budget": {"seconds": 1.0}},
        {"max_metric_calls": None, "stop_callbacks": lambda state: True},
        {"max_metric_calls": float("inf")},
    ],
)
def test_a_plan_without_a_countable_limit_says_so(options: Any) -> None:
    given: dict[str, Any] = {"trainset": [1, 2, 3, 4], "adapter": Adapter()}
    given["custom_candidate_proposer"] = lambda candidate, dataset, names: {}
    plan = gepa_engine.plan({"prompt": "0"}, **(given | options))
    assert plan.most.rollouts is None and plan.most.proposals is None and plan.affordable
    assert "no limit" in str(plan)


def test_a_plan_takes_a_limit_that_is_no_whole_number_or_negative() -> None:
    for limit, most in ((50.5, 51), (-5, 0)):
        plan = gepa_engine.plan(
            {"prompt": "0"},
            trainset=[1],
            adapter=Adapter(),
            max_metric_calls=limit,
            custom_candidate_proposer=lambda candidate, dataset, names: {},
        )
        assert plan.most.rollouts is not None and plan.most.rollouts <= most
