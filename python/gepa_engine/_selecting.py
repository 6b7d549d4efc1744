"""Choices that objects of the user's make in the place of the engine's policies."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ._task import Task

if TYPE_CHECKING:
    from ._search import Search


class Selecting:
    """Asks selectors, samplers, acceptance rules and selection strategies."""

    def __init__(self, search: Search) -> None:
        self.search = search
        self._passes: dict[int, bool] = {}
        self._accepted: dict[int, bool] = {}
        self._duplicates: set[int] = set()

    def policies(self) -> dict[str, Callable[..., Any]]:
        """The callables that the engine asks. Each answer is journaled."""
        options = self.search.options
        asked: dict[str, Callable[..., Any]] = {}
        if not isinstance(options.candidate_selector, str):
            asked["parent"] = self._parent
        if not isinstance(options.batch_sampler, str):
            asked["minibatch"] = self._minibatch
        if options.judges_here:
            asked["gate"] = lambda iteration, before, after: self._passes[iteration]
        if options.evaluation_policy is not None:
            asked["row"] = self._row
        return asked

    def components(self, task: Task, ordered: list[str]) -> list[str]:
        """The components to rewrite, now that the parent's traces are known."""
        options, state = self.search.options, self.search.state
        if not options.selects_components_here:
            return ordered
        selector = options.component_selector
        if selector == "all":
            return list(ordered)
        cursors = state.named_predictor_id_to_update_next_for_program_candidate
        if selector == "round_robin":
            turn = cursors[task.parent]
            cursors[task.parent] = (turn + 1) % len(state.list_of_named_predictors)
            return [state.list_of_named_predictors[turn]]
        candidate = state.program_candidates[task.parent]
        batch = task.before
        chosen = list(selector(state, batch.trajectories, batch.scores, task.parent, candidate))
        unknown = [name for name in chosen if name not in candidate]
        if unknown:
            raise KeyError(f"the component selector chose {unknown[0]!r}, which the candidate does not have")
        return chosen

    def judge(self, tasks: list[Task]) -> None:
        """Asks acceptance and selection, each proposal exactly once, before the engine decides."""
        options, state = self.search.options, self.search.state
        if not options.judges_here:
            return
        self._passes, self._accepted, self._duplicates = {}, {}, set()
        by_proposal = {id(task.proposal): task for task in tasks}
        criterion = _AskedOnce(self._accepts, options.acceptance)
        proposals = [task.proposal for task in tasks]
        if options.selection is None:
            chosen = [one for one in proposals if criterion.should_accept(one, state)]
        else:
            chosen = list(options.selection.select(list(proposals), state, criterion))
        seen: set[Any] = set()
        for one in chosen:
            task = by_proposal.get(id(one))
            if task is None:
                self.search.log("the selection strategy returned an object that is none of the proposals; ignored")
                continue
            content = tuple(sorted(one.candidate.items())) if one is not None else ()
            if content in seen:
                self._duplicates.add(task.number)
                continue
            seen.add(content)
            self._passes[task.number] = True
        for task in tasks:
            self._passes.setdefault(task.number, False)
            if not self._passes[task.number]:
                self._accepted[task.number] = criterion.should_accept(task.proposal, state)

    def reason(self, task: Task) -> str:
        """Why a child was rejected, in words."""
        options = self.search.options
        before, after = sum(task.before_scores or []), sum(task.after_scores or [])
        if task.closed == "duplicate" or task.number in self._duplicates:
            return "Duplicate of another candidate selected this iteration"
        if task.closed == "outranked" or self._accepted.get(task.number, False):
            return f"The child improved ({before} -> {after}) and was not selected by the selection strategy"
        own = getattr(options.acceptance, "reject_reason", None)
        if own is not None:
            return str(own(task.proposal, self.search.state))
        if isinstance(options.acceptance, str):
            return f"New subsample score {after} is not better than old score {before}"
        return f"The acceptance criterion rejected the child (old score {before}, new score {after})"

    def _accepts(self, proposal: Any, state: Any) -> bool:
        acceptance = self.search.options.acceptance
        if not isinstance(acceptance, str):
            return bool(acceptance.should_accept(proposal, state))
        before, after = sum(proposal.subsample_scores_before), sum(proposal.subsample_scores_after)
        return bool(after >= before if acceptance == "improvement_or_equal" else after > before)

    def _parent(self, iteration: int) -> int:
        return int(self.search.options.candidate_selector.select_candidate_idx(self.search.state))

    def _minibatch(self, iteration: int, chunk: int, parent: int) -> list[int]:
        search = self.search
        ids = search.options.batch_sampler.next_minibatch_ids(search.options.train, search.state)
        return search.train.places_of(list(ids))

    def _row(self, iteration: int) -> list[int]:
        search = self.search
        policy = search.options.evaluation_policy
        if iteration == 0:
            narrowed = getattr(policy, "get_seed_eval_batch", None)
            ids = list(narrowed(search.options.val)) if narrowed is not None else search.val.ids
        else:
            ids = list(policy.get_eval_batch(search.options.val, search.state))
        return search.val.places_of(ids)


class _AskedOnce:
    """An acceptance criterion that judges each proposal once, however often it is asked."""

    def __init__(self, accepts: Callable[[Any, Any], bool], criterion: Any) -> None:
        self._accepts = accepts
        self._criterion = criterion
        self._verdicts: dict[int, bool] = {}

    def should_accept(self, proposal: Any, state: Any) -> bool:
        """Whether the proposal passes."""
        key = id(proposal)
        if key not in self._verdicts:
            self._verdicts[key] = self._accepts(proposal, state)
        return self._verdicts[key]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._criterion, name)
