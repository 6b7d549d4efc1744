"""What loggers, trackers and callbacks hear of an iteration, and its entry in the trace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._reflection import NewTexts
from ._state import ValsetScores
from ._task import Task
from ._types import Proposal

if TYPE_CHECKING:
    from ._search import Search


class Telling:
    """Tells of an iteration's steps."""

    def __init__(self, search: Search) -> None:
        self.search = search

    def trace_tasks(self, tasks: list[Task]) -> None:
        """Notes the iteration's tasks."""
        trace = self.search.state.full_program_trace[-1]
        trace |= {
            "selected_program_candidate": tasks[0].parent,
            "subsample_ids": tasks[0].ids,
            "n_tasks": len(tasks),
            "tasks": [{"parent_idx": task.parent, "subsample_ids": list(task.ids)} for task in tasks],
        }

    def trace_scores(self, tasks: list[Task], places: dict[int, int]) -> None:
        """Notes the scores before and after."""
        trace = self.search.state.full_program_trace[-1]
        for task in tasks:
            scores = {"subsample_scores": task.before_scores, "new_subsample_scores": task.after_scores}
            if task is tasks[0]:
                trace |= scores
            if "tasks" in trace:
                trace["tasks"][places[task.number]] |= scores

    def evaluation_start(self, task: Task, batch: list[Any], parent: int | None, capture_traces: bool = True) -> None:
        """A minibatch is about to be evaluated."""
        if not self.search.events.are_heard:
            return
        self.search.events.tell(
            "on_evaluation_start",
            iteration=self.search.state.i + 1,
            candidate_idx=parent,
            batch_size=len(batch),
            capture_traces=capture_traces,
            parent_ids=self._parents_of(task, parent),
            inputs=batch,
            is_seed_candidate=parent == 0,
        )

    def evaluation_end(self, task: Task, batch: Any, parent: int | None) -> None:
        """A minibatch was evaluated."""
        if not self.search.events.are_heard:
            return
        self.search.events.tell(
            "on_evaluation_end",
            iteration=self.search.state.i + 1,
            candidate_idx=parent,
            scores=batch.scores,
            has_trajectories=bool(batch.trajectories),
            parent_ids=self._parents_of(task, parent),
            outputs=batch.outputs,
            trajectories=batch.trajectories,
            objective_scores=batch.objective_scores,
            is_seed_candidate=parent == 0,
        )

    def merge_evaluated(self, task: Task, scored: ValsetScores) -> None:
        """A merged candidate was evaluated on its subset."""
        self.search.events.tell(
            "on_evaluation_end",
            iteration=self.search.state.i + 1,
            candidate_idx=None,
            scores=task.after_scores,
            has_trajectories=False,
            parent_ids=list(task.parents),
            outputs=[scored.outputs.get(one) for one in task.ids],
            trajectories=None,
            objective_scores=[scored.objectives.get(one, {}) for one in task.ids] if scored.objectives else None,
            is_seed_candidate=False,
        )

    def proposal_of(self, task: Task, place: int) -> Proposal:
        """The proposal as acceptance rules see it."""
        answer = task.answer or NewTexts({})
        metadata: dict[str, Any] = {"proposal_id": f"{self.search.state.i + 1}-{place}"}
        for name in answer.texts:
            metadata[f"prompt:{name}"] = answer.prompts.get(name, "")
            metadata[f"raw_lm_output:{name}"] = answer.raw.get(name, "")
        for key, value in answer.metadata.items():
            reserved = key.startswith(("prompt:", "raw_lm_output:"))
            metadata[f"reflection_meta:{key}" if reserved else key] = value
        return Proposal(
            candidate=task.child or {},
            parent_program_ids=list(task.parents),
            subsample_indices=task.ids,
            subsample_scores_before=list(task.before_scores or []),
            subsample_scores_after=list(task.after_scores or []),
            eval_before=None if task.before is None else task.evaluated(task.before),
            eval_after=task.evaluated(task.after),
            metadata=metadata,
        )

    def rejected(self, task: Task, reason: str) -> None:
        """A child was rejected."""
        search, iteration = self.search, self.search.state.i + 1
        search.log(f"Iteration {iteration}: rejected: {reason}")
        search.events.tell(
            "on_candidate_rejected",
            iteration=iteration,
            old_score=sum(task.before_scores or []),
            new_score=sum(task.after_scores or []),
            reason=reason,
        )

    def accepted(
        self, task: Task, idx: int, scored: ValsetScores, fronts: tuple[set[int], set[int]], origin: str
    ) -> None:
        """A candidate entered the archive."""
        search, state = self.search, self.search.state
        before, after = fronts
        iteration, is_best = state.i + 1, search.best() == idx
        is_heard = search.events.are_heard
        if is_heard:
            search.events.tell(
                "on_pareto_front_updated",
                iteration=iteration,
                new_front=sorted(after),
                displaced_candidates=sorted(before - after),
            )
        score = search.score_of(idx)
        note = ", the best so far" if is_best else ""
        search.log(f"Iteration {iteration}: candidate {idx} accepted with validation score {score}{note}")
        if is_heard:
            search.events.tell(
                "on_valset_evaluated",
                iteration=iteration,
                candidate_idx=idx,
                candidate=task.child,
                scores_by_val_id=dict(scored.scores),
                average_score=score,
                num_examples_evaluated=len(scored.scores),
                total_valset_size=len(search.val),
                parent_ids=list(task.parents),
                is_best_program=is_best,
                outputs_by_val_id=scored.outputs or None,
            )
        if search.options.tracker is not None:
            search.track(
                {
                    "new_program_idx": idx,
                    "val_program_average": score,
                    "best_score_on_valset": search.score_of(search.best()),
                    "val_evaluated_count_new_program": len(scored.scores),
                    "val_total_count": len(search.val),
                },
                iteration,
            )
        if not is_heard:
            return
        new_score = sum(task.after_scores or [])
        if origin == "merge":
            search.events.tell(
                "on_merge_accepted", iteration=iteration, new_candidate_idx=idx, parent_ids=list(task.parents)
            )
        search.events.tell(
            "on_candidate_accepted",
            iteration=iteration,
            new_candidate_idx=idx,
            new_score=new_score,
            parent_ids=list(task.parents),
        )

    def _parents_of(self, task: Task, parent: int | None) -> list[int]:
        if parent is None:
            return list(task.parents)
        parents = self.search.state.parent_program_for_candidate[parent]
        return [one for one in parents if one is not None]
