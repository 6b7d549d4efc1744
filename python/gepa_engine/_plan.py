"""What a run can cost and show, before anything is paid for."""

from __future__ import annotations

import html
import inspect
import json
from dataclasses import dataclass
from typing import Any

from ._evaluating import Waiter
from ._native import plan as native_plan
from ._optimize import optimize, options_of
from ._search import Search
from ._stop import metric_calls_limit

#: More proposals than a run makes.
_UNCOUNTED = 1 << 40


@dataclass(frozen=True)
class PlanRow:
    """One column of a plan; `None` where no limit applies."""

    rollouts: int | None
    validation_rollouts: int
    proposals: int | None
    reflection_calls: int | None


@dataclass(frozen=True)
class Plan:
    """What a run costs: the least with which one proposal can be tried, the likely, and the most."""

    floor: PlanRow
    likely: PlanRow
    most: PlanRow
    #: Whether the budget covers the floor.
    affordable: bool
    #: The number of examples on which the best candidate is compared with the seed.
    compared_examples: int
    #: By the share of examples on which the two differ: the smallest gain that is shown in 80 of 100 cases, for
    #: scores of 0 and 1. `None` where that number of examples shows no gain.
    detectable_gain: dict[float, float | None]

    def __str__(self) -> str:
        lines = [f"{'':<20}{'one proposal':>14}{'likely':>10}{'at most':>10}"]
        for name in ("rollouts", "validation_rollouts", "proposals", "reflection_calls"):
            values = [getattr(row, name) for row in (self.floor, self.likely, self.most)]
            texts = ["no limit" if value is None else str(value) for value in values]
            lines.append(f"{name.replace('_', ' '):<20}{texts[0]:>14}{texts[1]:>10}{texts[2]:>10}")
        if not self.affordable:
            lines.append("the budget does not cover one proposal")
        for share, gain in self.detectable_gain.items():
            shown = "no gain" if gain is None else f"a gain of {gain:.3f} or more"
            lines.append(
                f"{self.compared_examples} examples show {shown} if {share * 100:.0f} of 100 examples differ "
                "(scores of 0 and 1, in 80 of 100 cases)"
            )
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


def plan(*args: Any, **kwargs: Any) -> Plan:
    """The plan of `optimize` with these arguments. Nothing is called, written or paid for.

    `max_metric_calls` counts as a limit on rollouts. Tokens and dollars are not planned, because what a call
    of yours uses is known only after it.
    """
    bound = inspect.signature(optimize).bind(*args, **kwargs)
    bound.apply_defaults()
    given = dict(bound.arguments)
    # A logger of its own would be a file in the run's folder.
    given |= {"run_dir": None, "display_progress_bar": False, "use_wandb": False, "use_mlflow": False}
    options = options_of(given, Waiter())
    limit = metric_calls_limit(options.stop)
    if limit is not None:
        options.budget.setdefault("max_rollouts", max(0, limit))
    # What ends the run may have no number beforehand, such as a condition of the caller.
    options.budget.setdefault("max_iterations", _UNCOUNTED)
    search = Search(options)
    parts = {
        "train": search.train.numbers,
        "pareto": search.val.numbers,
        "held_out": [] if search.held_out is None else search.held_out.numbers,
    }
    found = json.loads(native_plan(seed=list(options.seed_candidate.items()), settings=options.settings(), **parts))
    rows = {name: _row_of(found["plan"][name]) for name in ("floor", "likely", "most")}
    return Plan(
        **rows,
        affordable=found["plan"]["affordable"],
        compared_examples=found["shows"]["examples"],
        detectable_gain={one["discordance"]: one["difference"] for one in found["shows"]["differences"]},
    )


def _row_of(found: dict[str, Any]) -> PlanRow:
    fields = {key: found[key] for key in PlanRow.__dataclass_fields__}
    if (fields["proposals"] or 0) >= _UNCOUNTED:
        fields |= {"rollouts": None, "proposals": None, "reflection_calls": None}
    return PlanRow(**fields)
