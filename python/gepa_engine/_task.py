"""One proposal of an iteration, while it is worked on."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from ._reflection import NewTexts
from ._state import ValsetScores
from ._types import Candidate, Evaluated, Proposal


@dataclass(slots=True)
class Task:
    """A parent on a minibatch, and what became of it."""

    #: The engine's number of the proposal, from 1; an iteration may hold several.
    number: int
    origin: str
    parents: list[int]
    ids: list[Any]
    batch: list[Any] = field(default_factory=list)
    before: Any = None
    before_scores: list[float] | None = None
    metric_calls: int | None = None
    components: list[str] = field(default_factory=list)
    dataset: Any = None
    #: Whether the dataset came back from the journal of an earlier process.
    is_restored: bool = False
    answer: NewTexts | None = None
    child: Candidate | None = None
    after: Any = None
    after_scores: list[float] | None = None
    proposal: Proposal | None = None
    passed: bool = False
    closed: str | None = None
    val_ids: list[Any] = field(default_factory=list)
    val: ValsetScores = field(default_factory=ValsetScores)
    bought: int = 0

    @property
    def parent(self) -> int:
        """The parent of a reflection."""
        return self.parents[0]

    def evaluated(self, batch: Any) -> Evaluated:
        """One side of the proposal."""
        objectives = getattr(batch, "objective_scores", None)
        return Evaluated(
            scores=list(batch.scores),
            outputs=list(batch.outputs),
            objective_scores=list(objectives) if objectives else None,
            trajectories=getattr(batch, "trajectories", None),
        )


def checked(batch: Any, examples: int) -> Any:
    """The adapter's answer, if it has one score and one output for each example."""
    if len(batch.scores) == examples and len(batch.outputs) == examples:
        return batch
    name = "outputs" if len(batch.scores) == examples else "scores"
    found = len(getattr(batch, name))
    raise ValueError(f"the adapter returned {found} {name} for {examples} examples; return one for each")


def calls_of(batch: Any, examples: int) -> int:
    """The metric calls that an evaluation counts as."""
    reported = getattr(batch, "num_metric_calls", None)
    return examples if reported is None else int(reported)


def members_of(fronts: dict[Any, set[int]]) -> set[int]:
    """The candidates that top any front."""
    return set().union(*fronts.values()) if fronts else set()


def as_numbers(scores: Any) -> list[float]:
    """Scores as the engine takes them, which checks their sizes."""
    return scores if type(scores) is list else [float(score) for score in scores]


def named(objectives: Any) -> list[list[tuple[str, float]] | None] | None:
    """Objective scores as the engine takes them."""
    if not objectives:
        return None
    return [[(str(name), float(score)) for name, score in one.items()] if one else None for one in objectives]


def text_of(output: Any) -> str:
    """The form of an output in the journal: JSON where that is faithful, else its `repr`, cut."""
    try:
        return json.dumps(output)
    except (TypeError, ValueError):
        return repr(output)[:2_000]


def from_text(text: str | None) -> Any:
    """The output behind `text_of`; `None` if the journal has only its `repr`."""
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return None
