"""One proposal of an iteration, while it is worked on."""

from __future__ import annotations

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
    for name in ("scores", "outputs"):
        try:
            found = len(getattr(batch, name))
        except (AttributeError, TypeError) as error:
            raise TypeError(
                f"the adapter's evaluate returned an object of type {type(batch).__name__} without a list of {name}; "
                "return an EvaluationBatch"
            ) from error
        _check_length(name, found, examples)
    objectives = getattr(batch, "objective_scores", None)
    if objectives is not None and len(objectives):
        _check_length("objective_scores", len(objectives), examples)
    return batch


def _check_length(name: str, found: int, examples: int) -> None:
    if found != examples:
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
    return scores if type(scores) is list else list(scores)


def named(objectives: Any) -> list[list[tuple[str, float]] | None] | None:
    """Objective scores as the engine takes them."""
    if not objectives:
        return None
    return [[(str(name), float(score)) for name, score in one.items()] if one else None for one in objectives]
