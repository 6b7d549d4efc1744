"""`optimize`: upstream's arguments, this engine."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from ._checking import LARGEST, candidate_of, finite, seed_of, whole
from ._default_adapter import DefaultAdapter
from ._evaluating import Evaluating, Waiter, run_on_another_thread
from ._events import Events, FileLogger, Printer
from ._model import CountedModel, model_of
from ._options import Options
from ._pipeline import Pipeline
from ._reflection import CalledProposer, ModelReflector, Reflector, StrategyReflector, check_template
from ._result import GEPAResult
from ._search import Search
from ._stop import CompositeStopper, FileStopper, MaxMetricCallsStopper, MaxReflectionCostStopper
from ._types import as_loader

FrontierType = Literal["instance", "objective", "hybrid", "cartesian"]
SELECTORS = ("pareto", "current_best", "epsilon_greedy", "top_k_pareto")
ACCEPTANCES = ("strict_improvement", "improvement_or_equal")
COMPONENT_SELECTORS = ("round_robin", "all")
BUDGET_KEYS = {
    "rollouts": "max_rollouts",
    "iterations": "max_iterations",
    "candidates": "max_candidates",
    "no_improvement": "no_improvement_iterations",
    "target_score": "target_score",
}
#: The largest number where the engine takes 32 bits.
SMALL = (1 << 32) - 1
#: Limits on what is reported after the fact; the run asks for them before each step.
SPENT_KEYS = ("tokens", "dollars", "seconds")


def optimize(
    seed_candidate: dict[str, str],
    trainset: Any,
    valset: Any = None,
    adapter: Any = None,
    task_lm: str | Callable[..., str] | None = None,
    evaluator: Callable[..., Any] | None = None,
    # Reflection
    reflection_lm: str | Callable[..., Any] | None = None,
    reflection_lm_kwargs: dict[str, Any] | None = None,
    candidate_selection_strategy: Any = "pareto",
    frontier_type: FrontierType = "instance",
    skip_perfect_score: bool = True,
    batch_sampler: Any = "epoch_shuffled",
    reflection_minibatch_size: int | None = None,
    perfect_score: float | None = 1.0,
    reflection_prompt_template: str | dict[str, str] | None = None,
    custom_candidate_proposer: Callable[..., Any] | None = None,
    # Components
    module_selector: Any = "round_robin",
    # Merge
    use_merge: bool = False,
    max_merge_invocations: int = 5,
    merge_val_overlap_floor: int = 5,
    # Stopping
    max_metric_calls: int | None = None,
    max_reflection_cost: float | None = None,
    stop_callbacks: Any = None,
    # Logging
    logger: Any = None,
    run_dir: str | None = None,
    callbacks: Sequence[Any] | None = None,
    use_wandb: bool = False,
    wandb_api_key: str | None = None,
    wandb_init_kwargs: dict[str, Any] | None = None,
    wandb_attach_existing: bool = False,
    use_mlflow: bool = False,
    mlflow_tracking_uri: str | None = None,
    mlflow_experiment_name: str | None = None,
    mlflow_attach_existing: bool = False,
    tracking_key_prefix: str = "",
    track_best_outputs: bool = True,
    display_progress_bar: bool = False,
    use_cloudpickle: bool = False,
    cache_evaluation: bool = False,
    seed: int = 0,
    raise_on_exception: bool = True,
    val_evaluation_policy: Any = None,
    acceptance_criterion: Any = "strict_improvement",
    sampling_strategy: Any = None,
    selection_strategy: Any = None,
    reflection_strategy: Any = None,
    *,
    budget: Mapping[str, Any] | None = None,
    parallel: int = 1,
    held_out: Any = None,
    store: str | None = None,
    run_id: str | None = None,
    rules: Literal["reference", "own"] = "reference",
    schedule: Literal["ordered", "free"] | None = None,
    lags: tuple[int, int] = (2, 2),
) -> GEPAResult:
    """Evolves the texts of `seed_candidate` and returns everything that was accepted.

    The arguments before `*` are those of `gepa.optimize` 0.1.4 and mean the same. `use_cloudpickle` has no
    effect, because nothing is pickled.

    Args:
        budget: Limits, any of `rollouts`, `iterations`, `candidates`, `no_improvement` and `target_score`, which
            are never overshot, and of `tokens`, `dollars` and `seconds`. What a call of yours uses is known only
            after it, so these three are asked before each step: parents, reflection, children, validation. The
            step in which they were reached is the last one. Tokens and dollars are those of `reflection_lm`, and
            those that `EvaluationBatch.usage` reports.
        parallel: The number of threads on which the adapter is called at once. Each call sees a part of a
            batch and a copy of the caller's context variables. With 1 the adapter gets whole batches on the
            thread that called this function.
        held_out: Examples that the search never sees. Seed and winner are scored on them at the end.
        store: The URL of a store: `sqlite://runs.db`, `postgres://USER@HOST/DATABASE` or `memory:`. With
            `run_dir` alone, a store in that folder.
        run_id: The run's id, or a name for it; a run that the store holds under it already goes on.
        schedule: Keeps several proposals in flight, under the engine's own rules. Adapter and proposer are called
            on `parallel` threads. "ordered" decides in the order in which proposals began, so that a seed gives
            the same candidates, however long calls take; "free" decides as results arrive. Objects that select,
            sample or judge are refused. Callbacks hear of candidates and of the begin and end of iterations.
        lags: How many gates may be undecided, and how many generations may lack validation scores, before
            another one begins. Counts only with `schedule`.
        rules: Whose rules hold where the engine and the reference implementation differ.
    """
    options = options_of(locals(), Waiter())
    return _finished(search_of(options))


async def optimize_async(*args: Any, **kwargs: Any) -> GEPAResult:
    """`optimize` beside a running event loop, such as a notebook's.

    Coroutines of the adapter and the proposer run on this loop; plain functions run on another thread, in a
    copy of the present context.
    """
    import inspect

    bound = inspect.signature(optimize).bind(*args, **kwargs)
    bound.apply_defaults()
    given = dict(bound.arguments)
    result: GEPAResult = await run_on_another_thread(lambda wait: _finished(search_of(options_of(given, wait))))
    return result


def search_of(options: Options) -> Search:
    """One iteration after the other, or several proposals in flight."""
    return Search(options) if options.schedule is None else Pipeline(options)


def _finished(search: Search) -> GEPAResult:
    tracker = search.options.tracker
    try:
        if tracker is None:
            search.run()
        else:
            with tracker:
                search.run()
        return search.result()
    finally:
        search.options.evaluating.close()


def options_of(given: Mapping[str, Any], wait: Waiter) -> Options:
    """Checks the arguments of `optimize` and brings them into one form."""
    seed_candidate = candidate_of(given["seed_candidate"])
    run_dir = None if given["run_dir"] is None else os.fspath(given["run_dir"])
    minibatch_size = given["reflection_minibatch_size"] or 3
    adapter = _adapter_of(given)
    train = as_loader(given["trainset"])
    val = train if given["valset"] is None or given["valset"] is given["trainset"] else as_loader(given["valset"])
    model = model_of(given["reflection_lm"], given["reflection_lm_kwargs"])
    check_template(given["reflection_prompt_template"])
    if given["skip_perfect_score"] and given["perfect_score"] is None:
        raise ValueError("skip_perfect_score=True needs a perfect_score; give one, or set skip_perfect_score=False")
    reflector, is_free = _reflector_of(given, adapter, model, wait)
    logger = given["logger"]
    if logger is None and run_dir is not None:
        os.makedirs(run_dir, exist_ok=True)
        logger = FileLogger(os.path.join(run_dir, "run_log.txt"))
    parents, batches = sampling_of(given["sampling_strategy"])
    keep_best, selection = selection_of(given["selection_strategy"])
    _check_name(
        "candidate_selection_strategy",
        given["candidate_selection_strategy"],
        SELECTORS,
        "select_candidate_idx",
    )
    _check_name("module_selector", given["module_selector"], COMPONENT_SELECTORS, "__call__")
    _check_name("acceptance_criterion", given["acceptance_criterion"], ACCEPTANCES, "should_accept")
    _check_name("frontier_type", given["frontier_type"], ("instance", "objective", "hybrid", "cartesian"), None)
    _check_name("batch_sampler", given["batch_sampler"], ("epoch_shuffled",), "next_minibatch_ids")
    if given["batch_sampler"] != "epoch_shuffled" and given["reflection_minibatch_size"] is not None:
        raise AssertionError("reflection_minibatch_size only accepted if batch_sampler is 'epoch_shuffled'")
    policy = given["val_evaluation_policy"]
    if policy is not None and policy != "full_eval" and not hasattr(policy, "get_eval_batch"):
        raise ValueError("val_evaluation_policy is None, 'full_eval' or an object with get_eval_batch")
    if type(policy).__name__ == "FullEvaluationPolicy" or policy == "full_eval":
        policy = None
    return Options(
        evaluating=Evaluating(adapter, wait, given["parallel"]),
        reflector=reflector,
        reflector_is_free=is_free,
        train=train,
        val=val,
        seed_candidate=seed_candidate,
        events=Events(given["callbacks"]),
        logger=logger or Printer(),
        stop=_stop_of(given, model),
        tracker=_tracker_of(given),
        seed=seed_of(given["seed"]),
        reference_rules=given["rules"] == "reference" and given.get("schedule") is None,
        frontier_type=given["frontier_type"],
        perfect_score=given["perfect_score"],
        skip_perfect_score=given["skip_perfect_score"],
        minibatch_size=whole("reflection_minibatch_size", minibatch_size, 1, SMALL),
        candidate_selector=given["candidate_selection_strategy"],
        component_selector=given["module_selector"],
        batch_sampler=given["batch_sampler"],
        acceptance=given["acceptance_criterion"],
        selection=selection,
        keep_best=keep_best,
        parents_per_iteration=parents,
        batches_per_parent=batches,
        evaluation_policy=policy,
        use_merge=given["use_merge"],
        max_merge_invocations=whole("max_merge_invocations", given["max_merge_invocations"], 0, SMALL),
        merge_val_overlap_floor=whole("merge_val_overlap_floor", given["merge_val_overlap_floor"], 0, SMALL),
        cache_evaluation=given["cache_evaluation"],
        track_best_outputs=given["track_best_outputs"],
        raise_on_exception=given["raise_on_exception"],
        display_progress_bar=given["display_progress_bar"],
        run_dir=run_dir,
        store=given["store"],
        run_id=given["run_id"],
        held_out=None if given["held_out"] is None else as_loader(given["held_out"]),
        budget=_budget_of(given["budget"]),
        schedule=given.get("schedule"),
        lags=_lags_of(given),
        spent_limits=_spent_limits_of(given["budget"], model),
        model=model,
    )


def _adapter_of(given: Mapping[str, Any]) -> Any:
    if given["adapter"] is None:
        if given["task_lm"] is None:
            raise AssertionError("give an adapter, or a task_lm with an optional evaluator")
        return DefaultAdapter(given["task_lm"], given["evaluator"])
    for name in ("task_lm", "evaluator"):
        if given[name] is not None:
            raise AssertionError(f"an adapter is given, and it does the work of {name}; leave {name} out")
    return given["adapter"]


def _reflector_of(given: Mapping[str, Any], adapter: Any, model: Any, wait: Waiter) -> tuple[Reflector, bool]:
    own = getattr(adapter, "propose_new_texts", None)
    custom, strategy = given["custom_candidate_proposer"], given["reflection_strategy"]
    if own is not None and custom is not None:
        raise ValueError("adapter.propose_new_texts and custom_candidate_proposer both propose texts; give one of them")
    if strategy is not None and (own is not None or custom is not None):
        raise ValueError(
            "reflection_strategy would be silently ignored, because the adapter or custom_candidate_proposer "
            "proposes the texts; remove one of the two"
        )
    if own is not None and given["reflection_prompt_template"] is not None:
        raise AssertionError("the adapter proposes its own texts, so reflection_prompt_template has no effect")
    if own is not None or custom is not None:
        proposer: Any = custom if own is None else own
        return CalledProposer(proposer, wait), True
    if strategy is not None:
        return StrategyReflector(strategy), True
    if model is None:
        raise AssertionError(
            "reflection_lm was not provided, and neither the adapter nor custom_candidate_proposer proposes texts; "
            "give a reflection_lm"
        )
    return ModelReflector(model, given["reflection_prompt_template"], wait), False


def _stop_of(given: Mapping[str, Any], model: Any) -> Any:
    stoppers: list[Any] = []
    if given["stop_callbacks"] is not None:
        many = given["stop_callbacks"]
        stoppers += many if isinstance(many, Sequence) else [many]
    if given["run_dir"] is not None:
        stoppers.append(FileStopper(os.path.join(given["run_dir"], "gepa.stop")))
    if given["max_metric_calls"] is not None:
        stoppers.append(MaxMetricCallsStopper(given["max_metric_calls"]))
    if given["max_reflection_cost"] is not None:
        spender = given["reflection_strategy"] or model
        if given["reflection_strategy"] is not None and not hasattr(spender, "total_cost"):
            raise ValueError(
                "max_reflection_cost needs a reflection_strategy with total_cost; without it the limit would never end "
                "the run"
            )
        stoppers.append(MaxReflectionCostStopper(given["max_reflection_cost"], reflection_lm=spender))
    if not stoppers and not given["budget"]:
        raise ValueError(
            "nothing would end the run; give at least one of max_metric_calls, stop_callbacks, max_reflection_cost "
            "or budget"
        )
    if len(stoppers) == 1:
        return stoppers[0]
    return CompositeStopper(*stoppers) if stoppers else None


def _budget_of(budget: Mapping[str, Any] | None) -> dict[str, Any]:
    unknown = [key for key in budget or {} if key not in BUDGET_KEYS and key not in SPENT_KEYS]
    if unknown:
        raise ValueError(f"budget has no key {unknown[0]!r}; it has {', '.join((*BUDGET_KEYS, *SPENT_KEYS))}")
    given = {key: value for key, value in (budget or {}).items() if key in BUDGET_KEYS and value is not None}
    return {
        BUDGET_KEYS[key]: (
            finite(f"budget[{key!r}]", value)
            if key == "target_score"
            else whole(f"budget[{key!r}]", value, 0, SMALL if key == "candidates" else LARGEST)
        )
        for key, value in given.items()
    }


def _lags_of(given: Mapping[str, Any]) -> tuple[int, int]:
    """The lags, after everything that needs one iteration after the other was refused."""
    schedule = given.get("schedule")
    if schedule is None:
        return (1, 1)
    if schedule not in ("ordered", "free"):
        raise ValueError(f"schedule is 'ordered', 'free' or None, not {schedule!r}")
    for name in ("candidate_selection_strategy", "module_selector", "batch_sampler", "acceptance_criterion"):
        if not isinstance(given[name], str):
            raise ValueError(
                f"{name} is an object, and objects decide one iteration after the other; leave schedule out"
            )
    for name in ("reflection_strategy", "selection_strategy", "val_evaluation_policy"):
        if given[name] not in (None, "full_eval"):
            raise ValueError(f"{name} decides one iteration after the other; leave schedule out")
    if given["cache_evaluation"]:
        raise ValueError("cache_evaluation keeps outcomes of one iteration after the other; leave schedule out")
    if given["run_dir"] is not None:
        os.makedirs(given["run_dir"], exist_ok=True)
    gate, pareto = given["lags"]
    return int(gate), max(int(gate), int(pareto))


def _spent_limits_of(budget: Mapping[str, Any] | None, model: Any) -> dict[str, float]:
    given = {key: value for key, value in (budget or {}).items() if key in SPENT_KEYS and value is not None}
    limits = {key: finite(f"budget[{key!r}]", value) for key, value in given.items()}
    for key, value in limits.items():
        if not value > 0:
            raise ValueError(f"budget[{key!r}] is {value}; it must be above 0")
    if "dollars" in limits and isinstance(model, CountedModel):
        raise ValueError(
            "budget['dollars'] needs the price of each call, and reflection_lm is a function without one; give it an "
            "attribute total_cost (US dollars so far), name a model for litellm, or limit 'tokens' instead"
        )
    return limits


def sampling_of(strategy: Any) -> tuple[int, int]:
    """Parents per iteration and minibatches per parent of the strategies that the engine has."""
    name = type(strategy).__name__
    if strategy is None or name == "SingleMutationSampling":
        return 1, 1
    if name == "SameParentSampling":
        return 1, int(strategy.n)
    if name == "IndependentSampling":
        return int(strategy.n), 1
    if name == "PxNSampling":
        return int(strategy.p), int(strategy.n)
    raise NotImplementedError(
        f"the sampling strategy {name} is not supported; there are single, same parent, independent and PxN sampling"
    )


def selection_of(strategy: Any) -> tuple[int | None, Any]:
    name = type(strategy).__name__
    if strategy is None or name == "AllImprovements":
        return None, None
    if name == "BestImprovement":
        return 1, None
    if name == "TopKImprovements":
        return int(strategy.k), None
    if not hasattr(strategy, "select"):
        raise TypeError("selection_strategy needs a method select(proposals, state, acceptance)")
    return None, strategy


def _check_name(argument: str, value: Any, names: Sequence[str], method: str | None) -> None:
    if isinstance(value, str):
        if value not in names:
            error = AssertionError if argument == "module_selector" else ValueError
            raise error(f"Unknown {argument} strategy: {value}. Supported strategies: {', '.join(map(repr, names))}")
    elif method is None or not hasattr(value, method):
        raise TypeError(f"{argument} is one of {', '.join(map(repr, names))}, or an object with {method}")


def _tracker_of(given: Mapping[str, Any]) -> Any:
    if not given["use_wandb"] and not given["use_mlflow"]:
        return None
    try:
        from gepa.logging.experiment_tracker import create_experiment_tracker
    except ImportError as error:
        raise ImportError(
            "use_wandb and use_mlflow report through the tracker of the package gepa: pip install gepa"
        ) from error
    names = [
        "use_wandb", "wandb_api_key", "wandb_init_kwargs", "wandb_attach_existing", "use_mlflow",
        "mlflow_tracking_uri", "mlflow_experiment_name", "mlflow_attach_existing",
    ]  # fmt: skip
    return create_experiment_tracker(**{name: given[name] for name in names}, key_prefix=given["tracking_key_prefix"])
