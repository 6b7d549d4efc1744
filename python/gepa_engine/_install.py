"""This engine in the place of the package `gepa`, for programs that call `gepa.optimize` themselves."""

from __future__ import annotations

import importlib
import random
from typing import Any

from ._checking import seed_of
from ._evaluating import Evaluating, Waiter
from ._events import Events
from ._optimize import sampling_of, selection_of
from ._options import Options
from ._reflection import CalledProposer, Reflector, StrategyReflector
from ._search import Search
from ._state import SearchState
from ._types import as_loader

_before: dict[tuple[str, str], Any] = {}
#: The name under which the package's modules know their engine.
ENGINE = "GEPAEngine"


def install() -> None:
    """Makes `gepa.optimize` and `gepa.optimize_anything` run on this engine, wherever they were imported.

    Arguments, reflection prompts, model clients, default adapters and trackers stay those of the installed
    package. What it hands to its own engine goes to this one instead. A journal is kept in `run_dir`, and the
    package's own `gepa_state.bin` is written when the run ends. `uninstall()` takes it back.
    """
    if _before:
        return
    try:
        importlib.import_module("gepa.api")
    except ImportError as error:
        raise ImportError("install() replaces functions of the package gepa, which is not installed") from error
    for module in ("gepa.api", "gepa.optimize_anything"):
        target = importlib.import_module(module)
        _before[module, ENGINE] = getattr(target, ENGINE)
        setattr(target, ENGINE, _Engine)


def uninstall() -> None:
    """Takes `install()` back."""
    for (module, name), value in _before.items():
        setattr(importlib.import_module(module), name, value)
    _before.clear()


class _Engine:
    """What the package builds in order to run it, on this engine."""

    def __init__(self, **given: Any) -> None:
        self._given = given
        self._stop_requested = False
        self._search: Search | None = None

    def run(self) -> SearchState:
        """Runs to the end."""
        wait = Waiter()
        try:
            self._search = Search(_options_of(self._given, wait))
            if self._stop_requested:
                self._search.request_stop()
            return self._search.run()
        finally:
            wait.close()

    def request_stop(self) -> None:
        """Ends the run before the next iteration."""
        self._stop_requested = True
        if self._search is not None:
            self._search.request_stop()


def _options_of(given: dict[str, Any], wait: Waiter) -> Options:
    proposer, merge = given["reflective_proposer"], given["merge_proposer"]
    adapter, run_dir, seed = given["adapter"], given["run_dir"], given["seed"]
    reflector, is_free = _reflector_of(proposer, adapter, wait)
    parents, batches = sampling_of(proposer.sampling_strategy)
    keep_best, selection = selection_of(given.get("selection_strategy"))
    selector, sampler = proposer.candidate_selector, proposer.batch_sampler
    draws_here = _draws_alike(seed, [selector, sampler, merge])
    knows_sampler = draws_here and type(sampler).__name__ == "EpochShuffledBatchSampler"
    policy = given.get("val_evaluation_policy")
    has_policy = type(policy).__name__ not in ("NoneType", "FullEvaluationPolicy")
    return Options(
        evaluating=Evaluating(adapter, wait),
        reflector=reflector,
        reflector_is_free=is_free,
        train=as_loader(proposer.trainset),
        val=as_loader(given["valset"]),
        seed_candidate=dict(given["seed_candidate"]),
        events=Events(given.get("callbacks")),
        logger=given["logger"],
        stop=given.get("stop_callback"),
        tracker=given["experiment_tracker"],
        seed=seed_of(seed),
        frontier_type=given["frontier_type"],
        perfect_score=given["perfect_score"],
        skip_perfect_score=proposer.skip_perfect_score,
        minibatch_size=sampler.minibatch_size if knows_sampler else 3,
        candidate_selector=_known(selector, _SELECTORS) if draws_here else selector,
        component_selector=_known(proposer.module_selector, _COMPONENTS),
        batch_sampler="epoch_shuffled" if knows_sampler else sampler,
        acceptance=_known(given.get("acceptance_criterion"), _ACCEPTANCES),
        selection=selection,
        keep_best=keep_best,
        parents_per_iteration=parents,
        batches_per_parent=batches,
        evaluation_policy=policy if has_policy else None,
        use_merge=merge is not None and merge.use_merge,
        max_merge_invocations=getattr(merge, "max_merge_invocations", 5),
        merge_val_overlap_floor=getattr(merge, "val_overlap_floor", 5),
        cache_evaluation=given.get("evaluation_cache") is not None,
        track_best_outputs=given.get("track_best_outputs", False),
        raise_on_exception=given.get("raise_on_exception", True),
        display_progress_bar=given.get("display_progress_bar", False),
        run_dir=run_dir,
        on_saved=_state_writer(run_dir, given.get("use_cloudpickle", False)),
    )


def _draws_alike(seed: int, drawing: list[Any]) -> bool:
    """Whether everything that draws shares one fresh generator of the run's seed, as the engine does."""
    fresh = random.Random(seed).getstate()
    generators = [one.rng for one in drawing if getattr(one, "rng", None) is not None]
    return all(one is generators[0] and one.getstate() == fresh for one in generators)


_SELECTORS = {
    "ParetoCandidateSelector": "pareto",
    "CurrentBestCandidateSelector": "current_best",
    "TopKParetoCandidateSelector": "top_k_pareto",
    "EpsilonGreedyCandidateSelector": "epsilon_greedy",
}
_COMPONENTS = {"RoundRobinReflectionComponentSelector": "round_robin", "AllReflectionComponentSelector": "all"}
_ACCEPTANCES = {
    "NoneType": "strict_improvement",
    "StrictImprovementAcceptance": "strict_improvement",
    "ImprovementOrEqualAcceptance": "improvement_or_equal",
}


def _known(strategy: Any, names: dict[str, str]) -> Any:
    """The engine's own name of a strategy with its default settings, or the strategy."""
    if getattr(strategy, "epsilon", 0.1) != 0.1 or getattr(strategy, "k", 5) != 5:
        return strategy
    return names.get(type(strategy).__name__, strategy)


def _reflector_of(proposer: Any, adapter: Any, wait: Waiter) -> tuple[Reflector, bool]:
    own = getattr(adapter, "propose_new_texts", None) or proposer.custom_candidate_proposer
    if own is not None:
        return CalledProposer(own, wait), True
    strategy = proposer._reflection_lm
    if strategy is None:
        raise ValueError("reflection_lm is missing: neither the adapter nor a custom proposer proposes texts")
    return StrategyReflector(strategy), type(strategy).__name__ != "StatelessReflectionLM"


def _state_writer(run_dir: str | None, use_cloudpickle: bool) -> Any:
    """Writes the package's own state file when the run ends, for programs that load it."""
    if run_dir is None:
        return None

    def write(state: SearchState, is_last: bool) -> None:
        if is_last and state.program_candidates:
            theirs = _class("gepa.core.state", "GEPAState")
            copy = theirs.__new__(theirs)
            copy.__dict__ |= {name: value for name, value in vars(state).items() if not name.startswith("_")}
            computed = ("pareto_front_valset", "program_at_pareto_front_valset", "best_outputs_valset")
            copy.__dict__ |= {name: getattr(state, name) for name in computed}
            copy.__dict__ |= {"validation_schema_version": theirs._VALIDATION_SCHEMA_VERSION, "_budget_hooks": []}
            copy.save(run_dir, use_cloudpickle=use_cloudpickle)

    return write


def _class(module: str, name: str) -> Any:
    return getattr(importlib.import_module(module), name)
