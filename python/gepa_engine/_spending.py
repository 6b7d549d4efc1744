"""What models and evaluators used: for the journal, and for limits that are asked before each step."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._search import Search

Spent = tuple[int, int, float]


def spent_of(batch: Any) -> list[Spent | None] | None:
    """What each example of a batch used, as the journal takes it."""
    usage = getattr(batch, "usage", None)
    if usage is None:
        return None
    if len(usage) != len(batch.scores):
        raise ValueError(f"the adapter returned usage of {len(usage)} examples for {len(batch.scores)} scores")
    return [None if one is None else _of(one) for one in usage]


def merged_at(spent: list[Spent | None] | None, positions: list[int]) -> list[Spent | None] | None:
    """What the examples at these positions used; the first one takes over what all others used."""
    if spent is None:
        return None
    kept = [spent[position] for position in positions]
    others = [one for position, one in enumerate(spent) if one is not None and position not in positions]
    if others:
        first = kept[0] or (0, 0, 0.0)
        sums = [sum(values) for values in zip(first, *others, strict=True)]
        kept[0] = (int(sums[0]), int(sums[1]), float(sums[2]))
    return kept


def _of(usage: dict[str, float]) -> Spent:
    return (
        int(usage.get("prompt_tokens", 0)),
        int(usage.get("completion_tokens", 0)),
        float(usage.get("cost_usd", 0.0)),
    )


class ModelMeter:
    """What the reflection model used since the last look."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._last = self._now()

    def since_last(self) -> Spent | None:
        """The difference; `None` if nothing was used."""
        now = self._now()
        used = (now[0] - self._last[0], now[1] - self._last[1], now[2] - self._last[2])
        self._last = now
        return (max(used[0], 0), max(used[1], 0), max(used[2], 0.0)) if any(used) else None

    def _now(self) -> Spent:
        def number(name: str) -> Any:
            value = getattr(self._model, name, 0)
            return value if isinstance(value, (int, float)) else 0

        return int(number("total_tokens_in")), int(number("total_tokens_out")), float(number("total_cost"))


class LimitReached(Exception):
    """A limit in tokens, dollars or seconds was reached within an iteration, which ends here."""


class SpentLimits:
    """Limits in tokens, dollars and seconds."""

    def __init__(self, limits: dict[str, float], earlier_seconds: float) -> None:
        self._limits = limits
        self._began = time.monotonic() - earlier_seconds

    def reached(self, search: Search) -> tuple[str, str] | None:
        """The limit that ends the run, as a name and a sentence."""
        if not self._limits:
            return None
        tokens, dollars = search.session.spent
        spent = {"tokens": tokens, "dollars": dollars, "seconds": time.monotonic() - self._began}
        for name, limit in self._limits.items():
            if spent[name] >= limit:
                return f"{name}_limit", f"limit of {name}: {spent[name]:g} of {limit:g} used"
        return None
