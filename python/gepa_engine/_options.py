"""What a search is given, and the engine's settings that follow from it."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ._checking import LARGEST
from ._evaluating import Evaluating
from ._events import Events
from ._reflection import Reflector
from ._types import Candidate, ListLoader

#: Example ids of the validation set begin here in the journal, so that a train and a validation example
#: with the same position are two examples.
VALIDATION_IDS = 1 << 32
HELD_OUT_IDS = 1 << 33
#: How many examples a validation set may gain during a run.
SPARE_EXAMPLES = 256


@dataclass
class Options:
    """Everything that fixes a search. Strings name the engine's own policies, objects replace them."""

    evaluating: Evaluating
    reflector: Reflector
    #: Whether the reflector may rewrite other components than the requested ones.
    reflector_is_free: bool
    train: Any
    val: Any
    seed_candidate: Candidate
    events: Events
    logger: Any
    stop: Any
    tracker: Any = None
    seed: int = 0
    reference_rules: bool = True
    frontier_type: str = "instance"
    perfect_score: float | None = 1.0
    skip_perfect_score: bool = True
    minibatch_size: int = 3
    candidate_selector: Any = "pareto"
    component_selector: Any = "round_robin"
    batch_sampler: Any = "epoch_shuffled"
    acceptance: Any = "strict_improvement"
    selection: Any = None
    keep_best: int | None = None
    parents_per_iteration: int = 1
    batches_per_parent: int = 1
    evaluation_policy: Any = None
    use_merge: bool = False
    max_merge_invocations: int = 5
    merge_val_overlap_floor: int = 5
    cache_evaluation: bool = False
    track_best_outputs: bool = True
    raise_on_exception: bool = True
    display_progress_bar: bool = False
    run_dir: str | None = None
    store: str | None = None
    run_id: str | None = None
    held_out: Any = None
    top_k: int = 1
    budget: dict[str, Any] = field(default_factory=dict)
    #: "ordered" or "free", with several proposals in flight; `None` for one iteration after the other.
    schedule: str | None = None
    #: How many gates may be undecided, and how many generations may lack scores, before another one begins.
    lags: tuple[int, int] = (1, 1)
    #: Limits in tokens, dollars and seconds, which are asked before each step.
    spent_limits: dict[str, float] = field(default_factory=dict)
    #: The reflection model, whose tokens and cost are counted; `None` where a proposer takes its place.
    model: Any = None
    #: Called with the state, and whether it is the last time, after each save.
    on_saved: Any = None

    @property
    def is_kept(self) -> bool:
        """Whether the journal outlives the process."""
        return self.store is not None or self.run_dir is not None

    @property
    def selects_components_here(self) -> bool:
        """Whether the choice of components falls in Python, after the parent's traces are known."""
        return self.reflector_is_free or not isinstance(self.component_selector, str)

    @property
    def judges_here(self) -> bool:
        """Whether acceptance or selection is an object."""
        return not isinstance(self.acceptance, str) or self.selection is not None

    def settings(self) -> str:
        """The engine's settings as JSON."""
        parent = self.candidate_selector if isinstance(self.candidate_selector, str) else "pareto"
        acceptance = self.acceptance if isinstance(self.acceptance, str) else "strict_improvement"
        here = self.selects_components_here and self.schedule is None
        components = "all" if here else self.component_selector
        # A sampler of the user's decides on the size, and the engine cuts what is longer.
        size = self.minibatch_size if isinstance(self.batch_sampler, str) else max(len(self.train), 1) * 64
        overlap = ["train_pareto"] if self.val is self.train else []
        budget = {"max_iterations": LARGEST, **self.budget}
        # No score reaches an infinite one, and none is equal to NaN.
        perfect = 1.0 if self.perfect_score is None else float(self.perfect_score)
        return json.dumps(
            {
                "run": {
                    "name": "gepa-python",
                    "seed": abs(self.seed),
                    "gate_lag": self.lags[0],
                    "pareto_lag": self.lags[1],
                }
                | ({} if self.schedule is None else {"schedule": self.schedule}),
                "search": {
                    "rules": "reference" if self.reference_rules else "own",
                    "evaluation": "full",
                    "parent": parent,
                    "frontier": self.frontier_type,
                    "minibatch_size": size,
                    "parents_per_generation": self.parents_per_iteration,
                    "batches_per_parent": self.batches_per_parent,
                    "keep_best": self.keep_best,
                    "components": components,
                    "acceptance": acceptance,
                    "duplicates": "keep",
                    "skip_perfect": self.skip_perfect_score and math.isfinite(perfect),
                    "perfect_score": perfect if math.isfinite(perfect) else 1.0,
                    "reuse_outcomes": self.cache_evaluation,
                    "allow_overlap": overlap,
                },
                "merge": {
                    "enabled": self.use_merge,
                    "max_invocations": self.max_merge_invocations,
                    "overlap_floor": self.merge_val_overlap_floor,
                },
                "reflection": {"max_attempts": 1, "max_failures_in_a_row": (1 << 32) - 1},
                "rollouts": {"max_failure_fraction": 1.0},
                "validation": {"top_k": self.top_k},
                "budget": budget,
            }
        )


class Examples:
    """A data set, and the numbers under which the journal knows its examples."""

    def __init__(self, loader: Any, first: int, spare: int = 0) -> None:
        self.loader = loader
        self.ids: list[Any] = []
        ids = list(loader.all_ids())
        if len(set(ids)) != len(ids):
            raise ValueError("the ids of a data set must differ from each other")
        plain = spare == 0 and all(type(one) is int and 0 <= one < VALIDATION_IDS for one in ids)
        keys = ids if plain else range(len(ids) + spare)
        self.numbers = [first + key for key in keys]
        #: What the engine calls the whole set, in order, where the numbers follow each other.
        whole = range(self.numbers[0], self.numbers[-1] + 1) if self.numbers else range(0)
        self._whole = whole if list(whole) == self.numbers else None
        self._id_of: dict[int, Any] = {}
        self._place_of: dict[Any, int] = {}
        self._grow(ids)

    def ids_of(self, numbers: Sequence[int]) -> list[Any]:
        """The loader's ids of examples."""
        if numbers == self._whole and len(self.ids) == len(self.numbers):
            return list(self.ids)
        try:
            return [self._id_of[number] for number in numbers]
        except KeyError:
            self._grow(list(self.loader.all_ids()))
            return [self._id_of[number] for number in numbers]

    def places_of(self, ids: list[Any]) -> list[int]:
        """Positions in the set."""
        if any(one not in self._place_of for one in ids):
            self._grow(list(self.loader.all_ids()))
        unknown = [one for one in ids if one not in self._place_of]
        if unknown:
            raise ValueError(
                f"there is no example with the id {unknown[0]!r} in the set as it was when the run began, and no "
                "room for more; only a validation set with an evaluation policy of its own may grow during a run"
            )
        return [self._place_of[one] for one in ids]

    def fetch(self, ids: list[Any]) -> list[Any]:
        """The examples themselves."""
        fetched = self.loader.fetch(ids)
        return fetched if type(self.loader) is ListLoader else list(fetched)

    def __len__(self) -> int:
        return len(self.ids)

    def _grow(self, ids: list[Any]) -> None:
        for one in ids:
            if one not in self._place_of and len(self.ids) < len(self.numbers):
                self._place_of[one] = len(self.ids)
                self._id_of[self.numbers[len(self.ids)]] = one
                self.ids.append(one)
