"""The aggregate table as the public script run_gepa_parallel_experiments.py fills it.

The script is not part of the package, so this is a reading of it: for every column the places it
looks in, in its order. A column that none of them fills is `N/A`, as there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import configs

Json = Any
MISSING = "N/A"
COLUMNS = (
    "Task",
    "Policy Model",
    "Baseline",
    "Candidate 1",
    "Lift",
    "Rollouts",
    "Trials",
    "Tokens",
    "Time",
    "Eval N",
)
WIDTHS = (20, 25, 12, 14, 12, 10, 10, 12, 10, 8)


@dataclass
class Row:
    """One job's figures; `None` is a column that nothing filled."""

    task: str
    policy_model: str | None
    baseline: float | None
    candidate: float | None
    rollouts: int | None
    trials: int | None
    tokens: int | None
    seconds: float | None
    eval_n: int | None

    @property
    def lift(self) -> float | None:
        if self.baseline is None or self.candidate is None:
            return None
        return self.candidate - self.baseline

    def cells(self) -> list[str]:
        return [
            self.task,
            self.policy_model or MISSING,
            MISSING if self.baseline is None else f"{self.baseline:.4f}",
            MISSING if self.candidate is None else f"{self.candidate:.4f}",
            MISSING if self.lift is None else f"{self.lift:+.4f}",
            *(str(count) if count else MISSING for count in (self.rollouts, self.trials, self.tokens)),
            f"{self.seconds:.1f}s" if self.seconds else MISSING,
            str(self.eval_n) if self.eval_n else MISSING,
        ]


def row_of(
    task: str,
    job: Mapping[str, Json],
    trials: list[Mapping[str, Json]],
    config: Path,
    backend_job: Mapping[str, Json],
) -> Row:
    """The row of a finished queue job, from its database rows, its file and the backend's job."""
    result = job["result"] or {}
    stats = result.get("stats") or {}
    artifacts = result.get("artifacts") or {}
    status = job["status_json"] or {}
    overrides = job["config_overrides"] or {}
    curve = result.get("learning_curve") or []
    backend_stats = (backend_job.get("metadata") or {}).get("stats") or {}
    first_point = (curve[0].get("metadata") or {}) if curve else {}
    return Row(
        task=task,
        policy_model=first(
            stats.get("policy_model"),
            artifacts.get("policy_model"),
            stats.get("model"),
            overrides.get(configs.POLICY_MODEL),
            model_in(config),
        ),
        baseline=result.get("baseline_score"),
        candidate=result.get("best_score"),
        rollouts=first(
            status.get("rollouts_completed"),
            result.get("total_rollouts"),
            stats.get("total_rollouts"),
        ),
        trials=first(
            status.get("trials_completed"),
            len(trials),
            len(curve),
            stats.get("trials_tried"),
            backend_stats.get("trials_tried"),
        ),
        tokens=first(
            status.get("rollout_tokens_used"),
            status.get("total_tokens"),
            stats.get("total_tokens"),
            stats.get("tokens"),
        ),
        seconds=seconds_between(job["started_at"], job["completed_at"]),
        # What the backend says goes before everything else here.
        eval_n=first(
            backend_stats.get("eval_n"),
            stats.get("eval_seeds_n"),
            stats.get("eval_n"),
            stats.get("validation_seeds_n"),
            first_point.get("eval_n"),
        ),
    )


def first(*sources: Json) -> Json:
    """The first source that has anything."""
    return next((source for source in sources if source), None)


def model_in(config: Path) -> str | None:
    table = configs.read(config)["prompt_learning"]
    nested = (table.get("gepa") or {}).get("policy") or {}
    return nested.get("model") or table.get("policy", {}).get("model")


def seconds_between(start: str, end: str) -> float | None:
    try:
        return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
    except ValueError:
        return None


def table(rows: list[Row]) -> str:
    """The table with its TOTAL and AVERAGE lines."""
    lines = [line(COLUMNS), *(line(row.cells()) for row in rows)]
    total = ["TOTAL", "", "", "", ""]
    total += [
        str(sum(getattr(row, name) or 0 for row in rows)) for name in ("rollouts", "trials", "tokens")
    ]
    total.append(f"{sum(row.seconds or 0 for row in rows):.1f}s")
    lines.append(line([*total, ""]))
    averages = [mean(getattr(row, name) for row in rows) for name in ("baseline", "candidate", "lift")]
    shown = [f"{averages[0]:.4f}", f"{averages[1]:.4f}", f"{averages[2]:+.4f}"]
    lines.append(line(["AVERAGE", "", *shown]))
    return "\n".join(lines)


def line(cells: Iterable[str]) -> str:
    return " ".join(f"{cell:<{width}}" for cell, width in zip(cells, WIDTHS)).rstrip()


def mean(values: Iterable[float | None]) -> float:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else 0.0
