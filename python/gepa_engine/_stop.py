"""Conditions that end a run, asked before every iteration."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from numbers import Real
from typing import Any


class MaxMetricCallsStopper:
    """Ends after `max_metric_calls`. It is asked between iterations, so the last one may go beyond."""

    def __init__(self, max_metric_calls: int) -> None:
        self.max_metric_calls = max_metric_calls

    def __call__(self, state: Any) -> bool:
        return bool(state.total_num_evals >= self.max_metric_calls)


class MaxCandidateProposalsStopper:
    """Ends after `max_proposals` iterations."""

    def __init__(self, max_proposals: int) -> None:
        self.max_proposals = max_proposals

    def __call__(self, state: Any) -> bool:
        return bool(state.i >= self.max_proposals - 1)


class MaxReflectionCostStopper:
    """Ends when the `total_cost` of the reflection model reaches a number of US dollars."""

    def __init__(self, max_reflection_cost_usd: float, reflection_lm: Any = None) -> None:
        self.max_reflection_cost_usd = max_reflection_cost_usd
        self.reflection_lm = reflection_lm

    def __call__(self, state: Any) -> bool:
        return float(getattr(self.reflection_lm, "total_cost", 0.0)) >= self.max_reflection_cost_usd


class TimeoutStopCondition:
    """Ends `timeout_seconds` after this object was made."""

    def __init__(self, timeout_seconds: float) -> None:
        self.timeout_seconds = timeout_seconds
        self.since = time.monotonic()

    def __call__(self, state: Any) -> bool:
        return time.monotonic() - self.since >= self.timeout_seconds


class FileStopper:
    """A file exists."""

    def __init__(self, stop_file_path: str) -> None:
        self.stop_file_path = stop_file_path

    def __call__(self, state: Any) -> bool:
        return os.path.exists(self.stop_file_path)

    def remove_stop_file(self) -> None:
        """Removes the file, if there is one."""
        if os.path.exists(self.stop_file_path):
            os.remove(self.stop_file_path)


class ScoreThresholdStopper:
    """The best mean score reaches a threshold."""

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold

    def __call__(self, state: Any) -> bool:
        scores = state.program_full_scores_val_set
        return bool(scores) and max(scores) >= self.threshold


class NoImprovementStopper:
    """Ends when that number of questions in a row found no better best mean score."""

    def __init__(self, max_iterations_without_improvement: int) -> None:
        self.max_iterations_without_improvement = max_iterations_without_improvement
        self.best: float | None = None
        self.count = 0

    def __call__(self, state: Any) -> bool:
        best = max(state.program_full_scores_val_set, default=float("-inf"))
        if self.best is None or best > self.best:
            self.best, self.count = best, 0
        else:
            self.count += 1
        return self.count >= self.max_iterations_without_improvement

    def reset(self) -> None:
        """Forgets what was seen."""
        self.best, self.count = None, 0


class MaxTrackedCandidatesStopper:
    """Ends when that number of candidates is accepted, the seed included."""

    def __init__(self, max_tracked_candidates: int) -> None:
        self.max_tracked_candidates = max_tracked_candidates

    def __call__(self, state: Any) -> bool:
        return len(state.program_candidates) >= self.max_tracked_candidates


class CompositeStopper:
    """Any or all of several conditions; in order, and no further than needed."""

    def __init__(self, *stoppers: Callable[[Any], bool], mode: str = "any") -> None:
        if mode not in ("any", "all"):
            raise ValueError(f"mode is 'any' or 'all', not {mode!r}")
        self.stoppers = stoppers
        self.mode = mode

    def __call__(self, state: Any) -> bool:
        # A loop, because a generator would turn a StopIteration of a condition into another error.
        ends_at = self.mode == "any"
        for stopper in self.stoppers:
            if bool(stopper(state)) == ends_at:
                return ends_at
        return not ends_at


def metric_calls_limit(stopper: Any) -> int | None:
    """The limit of metric calls that a condition, or one of several joined ones, sets."""
    for one in [stopper, *(getattr(stopper, "stoppers", None) or ())]:
        limit = getattr(one, "max_metric_calls", None)
        if isinstance(limit, int):
            return limit
        if isinstance(limit, Real) and math.isfinite(limit):
            return math.ceil(float(limit))
    return None
