"""Reading a record's points as a step function: what was the best candidate worth, and when."""

from __future__ import annotations

from typing import Any

import numpy as np

SECONDS, CALLS, TOKENS, OBSERVED, TEST, PARETO = range(6)
"""The columns of a point."""


def at(record: dict[str, Any], over: int, places: np.ndarray, column: int = TEST) -> np.ndarray:
    """The value of a column when `over` (seconds, calls or tokens) has reached each place. The last
    value holds on: an optimizer that has ended keeps its result."""
    points = record["points"]
    known = np.array([point[over] for point in points], dtype=float)
    values = np.array([point[column] for point in points], dtype=float)
    index = np.searchsorted(np.maximum.accumulate(known), places, side="right") - 1
    return values[np.clip(index, 0, None)]


def area(record: dict[str, Any]) -> float:
    """Mean test score while the budget is spent: reaching the same score sooner is worth more."""
    over, budget = _budget(record)
    return float(at(record, over, np.linspace(0.0, budget, 401)).mean())


def at_share(record: dict[str, Any], share: float) -> float:
    """Test score when this share of the budget was spent."""
    over, budget = _budget(record)
    return float(at(record, over, np.array([share * budget]))[0])


def seconds_until(record: dict[str, Any], target: float) -> float | None:
    """Seconds until the best candidate's true pareto score reaches a target; nothing if never."""
    reached = (point[SECONDS] for point in record["points"] if point[PARETO] >= target - 1e-9)
    return next(reached, None)


def with_derived(record: dict[str, Any]) -> dict[str, Any]:
    """The record with the measures that follow from its points."""
    if "points" not in record:
        return record
    return record | {
        "area": area(record),
        "test_at_25": at_share(record, 0.25),
        "test_at_50": at_share(record, 0.5),
        "test_at_100": at_share(record, 1.0),
        "overshoot": _overshoot(record),
    }


def _budget(record: dict[str, Any]) -> tuple[int, float]:
    """What the run was allowed: seconds, or else policy calls."""
    seconds = record["seconds"]
    return (CALLS, record["budget"]) if seconds is None else (SECONDS, seconds)


def _overshoot(record: dict[str, Any]) -> float:
    """By how much of its budget the run went over it, or stayed under it, in percent."""
    over, budget = _budget(record)
    spent = record["policy_calls"] if over == CALLS else record["wall_seconds"]
    return (spent / budget - 1.0) * 100.0
