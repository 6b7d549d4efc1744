"""Means with 95 % intervals, by bootstrap over seeds within families: families count alike."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np

Record = dict[str, Any]
RESAMPLES = 4000


@dataclass(frozen=True)
class Estimate:
    """A mean and its interval."""

    count: int
    mean: float
    low: float
    high: float

    def text(self, digits: int = 3, sign: bool = False) -> str:
        """`0.812 [0.790, 0.833]`"""
        form = f"{'+' if sign else ''}.{digits}f"
        return f"{self.mean:{form}} [{self.low:{form}}, {self.high:{form}}]"


def estimate(values: dict[str, list[float]]) -> Estimate:
    """The mean over families of the mean over seeds."""
    curves = {family: [np.array([value]) for value in found] for family, found in values.items()}
    mean, low, high = estimate_curves(curves)
    count = sum(len(found) for found in values.values())
    return Estimate(count, float(mean[0]), float(low[0]), float(high[0]))


def estimate_curves(
    curves: dict[str, list[np.ndarray]],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same for curves over a common grid: mean, low and high at every place."""
    generator = np.random.default_rng(0)
    means, resampled = [], []
    for found in curves.values():
        stacked = np.stack(found)
        count = len(stacked)
        weights = generator.multinomial(count, np.full(count, 1.0 / count), RESAMPLES) / count
        means.append(stacked.mean(axis=0))
        resampled.append(weights @ stacked)
    low, high = np.percentile(np.mean(resampled, axis=0), [2.5, 97.5], axis=0)
    return np.mean(means, axis=0), low, high


def by_family(records: list[Record], measure: str) -> dict[str, list[float]]:
    """Values of a measure, where there is one."""
    found: dict[str, list[float]] = defaultdict(list)
    for record in records:
        if record.get(measure) is not None:
            found[record["family"]].append(record[measure])
    return dict(found)


def paired(left: list[Record], right: list[Record], measure: str) -> dict[str, list[float]]:
    """Differences left - right on the same worlds, by family."""
    others = {_world(record): record for record in right}
    found: dict[str, list[float]] = defaultdict(list)
    for record in left:
        other = others.get(_world(record))
        if other is None or record.get(measure) is None or other.get(measure) is None:
            continue
        found[record["family"]].append(record[measure] - other[measure])
    return dict(found)


def _world(record: Record) -> tuple[Any, ...]:
    return (
        record["family"],
        record["seed"],
        record["pareto"],
        record["slots"],
        record["budget"],
        record["seconds"],
    )
