"""What an adapter, a proposer and a language model look like to the optimizer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast, runtime_checkable

Candidate = dict[str, str]
ReflectiveDataset = Mapping[str, Sequence[Mapping[str, Any]]]
ProposalFn = Callable[[Candidate, ReflectiveDataset, list[str]], dict[str, str]]
LanguageModel = Callable[..., str]
Stopper = Callable[[Any], bool]


@dataclass
class EvaluationBatch:
    """The results of one candidate on a batch; every list is in the order of the batch."""

    outputs: list[Any]
    scores: list[float]
    trajectories: list[Any] | None = None
    objective_scores: list[dict[str, float]] | None = None
    num_metric_calls: int | None = None
    #: What each example used, any of `prompt_tokens`, `completion_tokens` and `cost_usd`. The journal keeps it, and
    #: `budget` counts it.
    usage: list[dict[str, float] | None] | None = None


@runtime_checkable
class GEPAAdapter(Protocol):
    """Runs candidates on examples and turns traces into what the reflection model reads.

    Both methods are called on the thread that called `optimize`, one call at a time, with the very
    objects of the train and validation sets.
    """

    propose_new_texts: ProposalFn | None = None

    def evaluate(self, batch: list[Any], candidate: Candidate, capture_traces: bool = False) -> Any:
        """Runs `candidate` on every example of `batch`; returns an `EvaluationBatch`."""
        ...

    def make_reflective_dataset(
        self, candidate: Candidate, eval_batch: Any, components_to_update: list[str]
    ) -> ReflectiveDataset:
        """The records that the reflection model reads, by component."""
        ...


@dataclass
class Evaluated:
    """One side of a proposal: its minibatch before or after the rewrite."""

    scores: list[float]
    outputs: list[Any]
    objective_scores: list[dict[str, float]] | None = None
    trajectories: list[Any] | None = None


@dataclass
class Proposal:
    """A child on its minibatch, as acceptance rules and selection strategies see it."""

    candidate: Candidate
    parent_program_ids: list[int]
    subsample_indices: list[Any]
    subsample_scores_before: list[float]
    subsample_scores_after: list[float]
    eval_before: Evaluated | None = None
    eval_after: Evaluated | None = None
    tag: str = "reflective_mutation"
    metadata: dict[str, Any] = field(default_factory=dict)


class ListLoader:
    """A list as a data loader: ids are positions."""

    def __init__(self, items: Sequence[Any]) -> None:
        self.items = items

    def all_ids(self) -> list[int]:
        return list(range(len(self.items)))

    def fetch(self, ids: Sequence[int]) -> list[Any]:
        return list(map(self.items.__getitem__, ids))

    def __len__(self) -> int:
        return len(self.items)


def as_loader(data: Any) -> Any:
    """The data loader itself, or a list as one."""
    if hasattr(data, "all_ids") and hasattr(data, "fetch"):
        return data
    # Both are indexed, but not by position.
    is_keyed = isinstance(data, Mapping) or hasattr(data, "iloc")
    if isinstance(data, Sequence) or (hasattr(data, "__getitem__") and not is_keyed):
        return ListLoader(cast("Sequence[Any]", data))
    raise TypeError(f"a data set is a list or has all_ids(), fetch(ids) and a length; this is {type(data).__name__}")
