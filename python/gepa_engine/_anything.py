"""`optimize_anything`: any text against any evaluator."""

from __future__ import annotations

import contextlib
import inspect
import io
import json
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Any, Literal

from ._evaluating import Waiter
from ._model import model_of
from ._optimize import optimize, options_of, search_of
from ._reflection import CURRENT, FENCE, RECORDS, extract, reply_of
from ._result import GEPAResult
from ._types import Candidate, EvaluationBatch, ProposalFn

TEXT = "text"
_SINGLE = object()
_logs = threading.local()


@dataclass
class EngineConfig:
    """How long and how a run searches."""

    run_dir: str | None = None
    seed: int = 0
    display_progress_bar: bool = False
    raise_on_exception: bool = True
    track_best_outputs: bool = True
    max_metric_calls: int | None = None
    max_candidate_proposals: int | None = None
    max_reflection_cost: float | None = None
    val_evaluation_policy: Any = "full_eval"
    candidate_selection_strategy: Any = "pareto"
    frontier_type: str = "hybrid"
    acceptance_criterion: Any = "strict_improvement"
    parallel: bool = True
    max_workers: int | None = None
    cache_evaluation: bool = False
    best_example_evals_k: int = 30
    capture_stdio: bool = False
    sampling_strategy: Any = None
    selection_strategy: Any = None
    budget: Mapping[str, Any] | None = None
    store: str | None = None
    #: Several proposals in flight, as in `optimize`: "ordered" or "free", and the lags. The evaluator is then called on
    #: `max_workers` threads.
    schedule: Literal["ordered", "free"] | None = None
    lags: tuple[int, int] = (2, 2)


@dataclass
class ReflectionConfig:
    """How texts are rewritten."""

    skip_perfect_score: bool = False
    perfect_score: float | None = None
    batch_sampler: Any = "epoch_shuffled"
    reflection_minibatch_size: int | None = None
    module_selector: Any = "round_robin"
    reflection_lm: Any = None
    reflection_lm_kwargs: dict[str, Any] | None = None
    reflection_prompt_template: str | dict[str, str] | None = None
    custom_candidate_proposer: Any = None
    reflection_strategy: Any = None


@dataclass
class MergeConfig:
    """Composing a candidate from two relatives."""

    max_merge_invocations: int = 5
    merge_val_overlap_floor: int = 5


@dataclass
class GEPAConfig:
    """All settings of `optimize_anything`."""

    engine: EngineConfig = field(default_factory=EngineConfig)
    reflection: ReflectionConfig = field(default_factory=ReflectionConfig)
    merge: MergeConfig | None = None
    stop_callbacks: Any = None
    callbacks: Sequence[Any] | None = None
    logger: Any = None


def log(*values: Any, sep: str = " ") -> None:
    """Adds a line to what the reflection model reads about the example under evaluation."""
    lines = getattr(_logs, "lines", None)
    if lines is None:
        raise RuntimeError("log() has an effect only inside an evaluator that optimize_anything calls")
    lines.append(sep.join(str(value) for value in values))


def optimize_anything(
    seed_candidate: str | Candidate | None = None,
    *,
    evaluator: Callable[..., Any] | None = None,
    batch_evaluator: Callable[..., Any] | None = None,
    dataset: Sequence[Any] | None = None,
    valset: Sequence[Any] | None = None,
    objective: str | None = None,
    background: str | None = None,
    config: GEPAConfig | None = None,
) -> GEPAResult:
    """Evolves a text, or several, so that an evaluator gives it higher scores.

    Args:
        seed_candidate: A text, a dictionary of texts, or `None` to let the reflection model write the first one
            from `objective`.
        evaluator: Called with the candidate, and with `example=` if there is a `dataset` and with `opt_state=` if
            it takes one. Returns a score, or a score and a dictionary that the reflection model reads; `scores`
            in it are further objectives.
        batch_evaluator: Called with a list of (candidate, example) pairs instead; returns one answer for each.
        dataset: Examples to learn from. Without it the evaluator is the whole task.
        valset: Examples that candidates are kept by; the dataset if absent.
        objective: What a good text achieves, in words.
        background: What the reflection model should know beside it.
    """
    config = config or GEPAConfig()
    reflection, engine = config.reflection, config.engine
    if (evaluator is None) == (batch_evaluator is None):
        raise ValueError("give exactly one of evaluator and batch_evaluator")
    if reflection.reflection_prompt_template is not None and (objective or background):
        raise ValueError("objective and background are part of the built-in prompt; leave them out beside a template")
    model = model_of(reflection.reflection_lm, reflection.reflection_lm_kwargs)
    wait = Waiter()
    examples = [_SINGLE] if dataset is None else list(dataset)
    candidate = _seed_of(seed_candidate, objective, background, examples, model)
    adapter = _Adapter(evaluator, batch_evaluator, engine, wait)
    size = reflection.reflection_minibatch_size or (1 if dataset is None else min(3, len(examples)))
    stops = list(config.stop_callbacks) if isinstance(config.stop_callbacks, Sequence) else []
    if config.stop_callbacks is not None and not stops:
        stops = [config.stop_callbacks]
    if engine.max_candidate_proposals is not None:
        stops.append(_iterations(engine.max_candidate_proposals))
    given = {name: one.default for name, one in inspect.signature(optimize).parameters.items()}
    given |= {
        "seed_candidate": candidate,
        "trainset": examples,
        "valset": None if valset is None else list(valset),
        "adapter": adapter,
        "reflection_lm": model,
        "reflection_prompt_template": reflection.reflection_prompt_template or _template(objective, background),
        "custom_candidate_proposer": reflection.custom_candidate_proposer,
        "reflection_strategy": reflection.reflection_strategy,
        "candidate_selection_strategy": engine.candidate_selection_strategy,
        "frontier_type": engine.frontier_type,
        "skip_perfect_score": reflection.skip_perfect_score,
        "perfect_score": reflection.perfect_score,
        "batch_sampler": reflection.batch_sampler,
        "reflection_minibatch_size": size if reflection.batch_sampler == "epoch_shuffled" else None,
        "module_selector": reflection.module_selector,
        "use_merge": config.merge is not None,
        "max_metric_calls": engine.max_metric_calls,
        "max_reflection_cost": engine.max_reflection_cost,
        "stop_callbacks": stops or None,
        "callbacks": config.callbacks,
        "logger": config.logger,
        "run_dir": engine.run_dir,
        "seed": engine.seed,
        "display_progress_bar": engine.display_progress_bar,
        "raise_on_exception": engine.raise_on_exception,
        "track_best_outputs": engine.track_best_outputs,
        "val_evaluation_policy": engine.val_evaluation_policy,
        "acceptance_criterion": engine.acceptance_criterion,
        "sampling_strategy": engine.sampling_strategy,
        "selection_strategy": engine.selection_strategy,
        "budget": engine.budget,
        "store": engine.store,
        "schedule": engine.schedule,
        "lags": engine.lags,
        # Without a schedule the adapter has threads of its own, and gets whole batches.
        "parallel": 1 if engine.schedule is None else _threads_of(engine),
        "cache_evaluation": engine.cache_evaluation and engine.schedule is not None,
    }
    if config.merge is not None:
        given["max_merge_invocations"] = config.merge.max_merge_invocations
        given["merge_val_overlap_floor"] = config.merge.merge_val_overlap_floor
    search = search_of(options_of(given, wait))
    try:
        search.run()
        return search.result(TEXT if not isinstance(seed_candidate, dict) else None)
    finally:
        adapter.close()
        wait.close()


class _Adapter:
    """The user's evaluator as an adapter."""

    propose_new_texts: ProposalFn | None = None

    def __init__(
        self,
        evaluator: Callable[..., Any] | None,
        batch_evaluator: Callable[..., Any] | None,
        engine: EngineConfig,
        wait: Waiter,
    ) -> None:
        self._evaluator, self._batch_evaluator, self._engine, self._wait = evaluator, batch_evaluator, engine, wait
        self._takes_state = evaluator is not None and _takes(evaluator, "opt_state")
        self._known: dict[Any, Any] = {}
        self._best: dict[int, list[dict[str, Any]]] = {}
        threads = _threads_of(engine) if engine.schedule is None else 1
        #: With a schedule several threads evaluate at once.
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="gepa") if threads > 1 and evaluator else None

    def close(self) -> None:
        """Ends the threads."""
        if self._pool is not None:
            self._pool.shutdown()

    def evaluate(self, batch: list[Any], candidate: Candidate, capture_traces: bool = False) -> EvaluationBatch:
        """Scores the candidate on every example."""
        answers = self._answers(batch, candidate)
        with self._lock:
            for example, (score, info) in zip(batch, answers, strict=True):
                best = self._best.setdefault(id(example), [])
                best.append({"score": score, "side_info": info, "candidate": dict(candidate)})
                best.sort(key=lambda one: -one["score"])
                del best[self._engine.best_example_evals_k :]
        return EvaluationBatch(
            outputs=[(score, dict(candidate), info) for score, info in answers],
            scores=[score for score, _ in answers],
            trajectories=[info for _, info in answers],
            objective_scores=[_objectives(info) for _, info in answers],
        )

    def make_reflective_dataset(
        self, candidate: Candidate, eval_batch: Any, components_to_update: list[str]
    ) -> dict[str, list[dict[str, Any]]]:
        """What the evaluator told about every example, with the part for each component."""
        dataset: dict[str, list[dict[str, Any]]] = {}
        for name in components_to_update:
            records = []
            for score, info in zip(eval_batch.scores, eval_batch.trajectories, strict=True):
                record = {"Score (higher is better)": score}
                for key, value in info.items():
                    if key == "scores":
                        record["Scores (higher is better)"] = value
                    elif key == f"{name}_specific_info":
                        record |= {inner: one for inner, one in value.items() if inner != "scores"}
                    elif not key.endswith("_specific_info"):
                        record[key] = value
                records.append(record)
            dataset[name] = records
        return dataset

    def _answers(self, batch: list[Any], candidate: Candidate) -> list[tuple[float, dict[str, Any]]]:
        keys = [(tuple(candidate.items()), id(example)) for example in batch]
        wanted = [at for at, key in enumerate(keys) if not self._engine.cache_evaluation or key not in self._known]
        shown = candidate[TEXT] if list(candidate) == [TEXT] else dict(candidate)
        if self._batch_evaluator is not None:
            pairs = [(shown, None if batch[at] is _SINGLE else batch[at]) for at in wanted]
            values = list(self._wait(self._batch_evaluator(pairs))) if pairs else []
            fresh = [_answer(value, [], {}) for value in values]
        else:
            calls = [self._call(shown, batch[at]) for at in wanted]
            if self._pool is None or len(calls) < 2:
                values = [call() for call in calls]
            else:
                values = [one.result() for one in [self._pool.submit(copy_context().run, call) for call in calls]]
            results = self._wait.gather([value for value, _, _ in values])
            fresh = [_answer(result, lines, texts) for result, (_, lines, texts) in zip(results, values, strict=True)]
        answers = dict(zip(wanted, fresh, strict=True))
        for at, answer in answers.items():
            self._known[keys[at]] = answer
        return [answers[at] if at in answers else self._known[key] for at, key in enumerate(keys)]

    def _call(self, shown: Any, example: Any) -> Callable[[], tuple[Any, list[str], dict[str, str]]]:
        evaluator = self._evaluator
        assert evaluator is not None
        keywords: dict[str, Any] = {} if example is _SINGLE else {"example": example}
        if self._takes_state:
            keywords["opt_state"] = {"best_example_evals": list(self._best.get(id(example), []))}

        def call() -> tuple[Any, list[str], dict[str, str]]:
            lines: list[str] = []
            # An evaluator may call `optimize_anything` itself, on this thread.
            outer = getattr(_logs, "lines", None)
            _logs.lines = lines
            texts: dict[str, str] = {}
            try:
                if not self._engine.capture_stdio:
                    return evaluator(shown, **keywords), lines, texts
                out, err = io.StringIO(), io.StringIO()
                with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                    value = evaluator(shown, **keywords)
                texts = {"stdout": out.getvalue(), "stderr": err.getvalue()}
                return value, lines, texts
            finally:
                _logs.lines = outer

        return call


def _threads_of(engine: EngineConfig) -> int:
    return (engine.max_workers or os.cpu_count() or 32) if engine.parallel else 1


def _answer(value: Any, lines: list[str], texts: dict[str, str]) -> tuple[float, dict[str, Any]]:
    score, info = value if isinstance(value, tuple) else (value, {})
    info = dict(info or {})
    told = {"log": "\n".join(lines), **texts}
    for key, text in told.items():
        if text:
            info[key if key not in info else f"captured_{key}"] = text
    return float(score), info


def _objectives(info: Mapping[str, Any]) -> dict[str, float]:
    found = {str(name): float(score) for name, score in (info.get("scores") or {}).items()}
    for key, value in info.items():
        if key.endswith("_specific_info") and isinstance(value, Mapping):
            component = key.removesuffix("_specific_info")
            found |= {f"{component}::{name}": float(score) for name, score in (value.get("scores") or {}).items()}
    return found


def _seed_of(
    seed: str | Candidate | None, objective: str | None, background: str | None, examples: list[Any], model: Any
) -> Candidate:
    if isinstance(seed, str):
        return {TEXT: seed}
    if seed is not None:
        return seed
    if not objective or model is None:
        raise ValueError(
            "without a seed_candidate the first text is written from an objective by a reflection_lm; give both"
        )
    shown = [one for one in examples[:3] if one is not _SINGLE]
    inputs = "".join(f"\n\nAn example of its input:\n{json.dumps(one, default=repr)}" for one in shown)
    prompt = (
        f"Write the first version of a text. What it should achieve:\n{objective}\n\n{background or ''}{inputs}\n\n"
        f"Give the whole text between three backticks."
    )
    return {TEXT: extract(reply_of(model(prompt)))}


def _template(objective: str | None, background: str | None) -> str:
    parts = ["A text is being improved. Your task is to write a better one."]
    if objective:
        parts.append(f"What it should achieve:\n{objective}")
    if background:
        parts.append(f"What you should know:\n{background}")
    parts.append(f"The text now:\n{FENCE}\n{CURRENT}\n{FENCE}")
    parts.append(f"How it was evaluated, case by case:\n{FENCE}\n{RECORDS}\n{FENCE}")
    parts.append(
        "Find out what keeps the scores down and what would raise them. Keep the form that the text needs in order "
        "to be usable. Give the whole new text between three backticks, and nothing after it."
    )
    return "\n\n".join(parts) + "\n"


def _takes(function: Callable[..., Any], name: str) -> bool:
    try:
        return name in inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False


def _iterations(limit: int) -> Callable[[Any], bool]:
    return lambda state: bool(state.i >= limit - 1)
