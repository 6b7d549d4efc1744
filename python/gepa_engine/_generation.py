"""One iteration: parents, reflections, children, validation, each step for all proposals at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ._checking import repaired, texts_of
from ._reflection import propose_safely
from ._selecting import Selecting
from ._spending import merged_at, spent_of
from ._state import ValsetScores
from ._task import Task, as_numbers, calls_of, checked, members_of, named
from ._telling import Telling

if TYPE_CHECKING:
    from ._search import Search

Order = tuple[Any, ...]
NOT_CHOSEN = "this component was not chosen"


class Generation:
    """Carries out what the engine orders for an iteration."""

    def __init__(self, search: Search) -> None:
        self.search = search
        self.selecting = Selecting(search)
        self.telling = Telling(search)
        self.tasks: dict[int, Task] = {}
        #: Outcomes by candidate and example number, where the engine reuses them.
        self.known: dict[tuple[Any, Any], tuple[Any, dict[str, float] | None, float]] = {}
        #: Orders that no step has taken yet.
        self.orders: list[Order] = []
        self._unanswered: dict[tuple[Any, ...], Order] = {}

    def policies(self) -> dict[str, Callable[..., Any]]:
        """The choices that objects of the user's make."""
        return self.selecting.policies()

    def run(self) -> bool:
        """One whole iteration. Returns whether a candidate was accepted."""
        self.tasks = {}
        self.orders = []
        self.search.session.request_generation()
        self._take_in()
        if not self.tasks:
            return False
        if next(iter(self.tasks.values())).origin == "merge":
            return self._merge()
        self.telling.trace_tasks(list(self.tasks.values()))
        return self._finish()

    def go_on(self, tasks: list[Task]) -> bool:
        """The rest of an iteration that an earlier process began."""
        self.tasks = {task.number: task for task in tasks}
        self._take_in()
        if any(task.origin == "merge" for task in tasks):
            return self._merge()
        return self._finish()

    def take_orders(self) -> list[Order]:
        """Orders that are no part of an iteration: those of the final scoring."""
        self._take_in()
        taken, self.orders = self.orders, []
        return taken

    def abandon(self, reason: str) -> None:
        """Answers everything that is still ordered as failed, so that the next iteration can begin."""
        session = self.search.session
        self._take_in()
        while self._unanswered:
            for order in list(self._unanswered.values()):
                if order[0] == "trial":
                    session.fail(order[1], order[3], reason)
                else:
                    session.rewrite(order[1], order[2], order[3], None, None, reason)
            self._unanswered = {}
            self._take_in()
        self.orders = []
        self.search.commit()

    # ---- Steps -------------------------------------------------------------------------------

    def _finish(self) -> bool:
        self._evaluate_parents()
        self._reflect()
        self._evaluate_children()
        return self._validate()

    def _evaluate_parents(self) -> None:
        orders = self._taken("minibatch_parent")
        if not orders:
            return
        search, state = self.search, self.search.state
        tasks = [self.tasks[trial[0]] for _, trial, *_ in orders]
        iteration = state.i + 1
        for task in tasks if search.events.are_heard else ():
            score, _ = state.get_program_average_val_subset(task.parent)
            candidate = state.program_candidates[task.parent]
            search.events.tell(
                "on_candidate_selected",
                iteration=iteration,
                candidate_idx=task.parent,
                candidate=candidate,
                score=score,
            )
            search.events.tell(
                "on_minibatch_sampled",
                iteration=iteration,
                minibatch_ids=task.ids,
                trainset_size=len(search.train),
            )
        for task in tasks:
            task.batch = search.train.fetch(task.ids)
            self.telling.evaluation_start(task, task.batch, task.parent)
        self._evaluate_once_each(tasks)
        for task in tasks:
            self.telling.evaluation_end(task, task.before, task.parent)
        state.increment_evals(sum(task.metric_calls or 0 for task in tasks))
        for (_, trial, _, positions, _), task in zip(orders, tasks, strict=True):
            self._remember(state.program_candidates[task.parent], task.ids, task.before)
            if task.before.trajectories:
                self._settle(trial, positions, task.before)
            else:
                self._unanswered.pop(("trial", trial), None)
                search.session.fail(trial, positions, "the adapter returned no trajectories")
        first = tasks[0]
        search.log(
            f"Iteration {iteration}: parent {first.parent} with score "
            f"{state.get_program_average_val_subset(first.parent)[0]}, minibatch {first.ids}"
        )
        if search.options.tracker is not None:
            search.track({"iteration": iteration, "selected_program_candidate": first.parent}, iteration)
        self._take_in()
        for (_, trial, _, positions, _), task in zip(orders, tasks, strict=True):
            self._note_calls(trial, positions, task)

    def _evaluate_once_each(self, tasks: list[Task]) -> None:
        """Tasks with the same parent on the same examples share one evaluation."""
        state = self.search.state
        groups: dict[Any, list[Task]] = {None: tasks} if len(tasks) == 1 else {}
        for task in tasks if len(tasks) > 1 else ():
            content = tuple(sorted(state.program_candidates[task.parent].items()))
            groups.setdefault((content, tuple(task.ids)), []).append(task)
        firsts = [group[0] for group in groups.values()]
        self.search.before_step()
        batches = self.search.options.evaluating.many(
            [(state.program_candidates[task.parent], task.batch) for task in firsts]
        )
        for group, batch in zip(groups.values(), batches, strict=True):
            checked(batch, len(group[0].ids))
            for task in group:
                task.before = batch
                task.before_scores = list(batch.scores)
                task.metric_calls = 0
            group[0].metric_calls = calls_of(batch, len(group[0].ids))

    def _reflect(self) -> None:
        orders = [order for order in self.orders if order[0] == "reflection"]
        self.orders = [order for order in self.orders if order[0] != "reflection"]
        by_task: dict[int, list[Order]] = {}
        for order in orders:
            by_task.setdefault(order[1], []).append(order)
        prepared = [task for task in self.tasks.values() if self._prepare(task, by_task.get(task.number))]
        if not orders:
            return
        search = self.search
        search.before_step()
        candidates = search.state.program_candidates
        jobs = [(candidates[task.parent], task.dataset, task.components) for task in prepared]
        answers = propose_safely(search.options.reflector, jobs, search.log)
        for task, answer in zip(prepared, answers, strict=True):
            task.answer = answer
        for task in self.tasks.values():
            self._take_texts(task, by_task.get(task.number, []))
        self._take_in()

    def _prepare(self, task: Task, orders: list[Order] | None) -> bool:
        search, state = self.search, self.search.state
        if task.child is not None or task.closed == "done":
            return False
        iteration, seed = state.i + 1, task.parent == 0
        if orders is None:
            if task.before is not None:
                reason = "all_scores_perfect" if task.before.trajectories else "no_trajectories"
                search.log(f"Iteration {iteration}: no reflection on parent {task.parent}: {reason}")
                search.events.tell(
                    "on_evaluation_skipped",
                    iteration=iteration,
                    candidate_idx=task.parent,
                    reason=reason,
                    scores=task.before.scores,
                    is_seed_candidate=seed,
                )
            return False
        if task.before is None and not task.is_restored:
            self._evaluate_again(task)
        candidate = state.program_candidates[task.parent]
        if not task.is_restored:
            task.components = self.selecting.components(task, [order[2] for order in orders])
        try:
            if not task.is_restored:
                task.dataset = search.options.evaluating.wait(
                    search.options.evaluating.adapter.make_reflective_dataset(candidate, task.before, task.components)
                )
            records = {name: [dict(one) for one in items] for name, items in task.dataset.items()}
        except Exception as error:
            search.log(f"Iteration {iteration}: no reflective dataset: {type(error).__name__}: {error}")
            return False
        search.events.tell(
            "on_reflective_dataset_built",
            iteration=iteration,
            candidate_idx=task.parent,
            components=task.components,
            dataset=records,
        )
        search.events.tell(
            "on_proposal_start",
            iteration=iteration,
            parent_candidate=candidate,
            components=task.components,
            reflective_dataset=records,
        )
        self._note_dataset(task, records)
        return True

    def _evaluate_again(self, task: Task) -> None:
        """The traces of an earlier process are gone, and a reflection needs them."""
        search = self.search
        task.batch = search.train.fetch(task.ids)
        candidate = search.state.program_candidates[task.parent]
        batch = task.before = checked(search.options.evaluating.many([(candidate, task.batch)])[0], len(task.ids))
        search.log("the traces of the interrupted iteration were no JSON, so its parent was evaluated again")
        search.state.increment_evals(calls_of(batch, len(task.ids)))

    def _take_texts(self, task: Task, orders: list[Order]) -> None:
        search = self.search
        answer = task.answer
        texts = texts_of(answer.texts) if answer is not None else {}
        ordered = {order[2] for order in orders}
        unknown = [name for name in texts if name not in ordered]
        if unknown and orders:
            raise KeyError(
                f"the proposer returned a text for {unknown[0]!r}, which was not requested; the components are "
                f"{', '.join(sorted(ordered))}"
            )
        iteration = search.state.i + 1
        if orders and answer is not None and not texts:
            search.log(f"Iteration {iteration}: the reflection proposed no new text")
        if answer is not None and texts:
            search.events.tell(
                "on_proposal_end",
                iteration=iteration,
                new_instructions=texts,
                prompts=answer.prompts,
                raw_lm_outputs=answer.raw,
            )
            for name, text in texts.items():
                search.log(f"Iteration {iteration}: new text for {name}: {text}")
        for _, number, component, attempt in orders:
            new = texts.get(component)
            reply = answer.raw.get(component) if answer is not None else None
            self._unanswered.pop(("reflection", number, component), None)
            failure = NOT_CHOSEN if new is None else None
            spent = search.meter.since_last()
            search.session.rewrite(number, component, attempt, new, reply and repaired(reply), failure, spent)

    def _evaluate_children(self) -> None:
        orders = self._taken("minibatch_child")
        if not orders:
            return
        search, state = self.search, self.search.state
        tasks = [self.tasks[trial[0]] for _, trial, *_ in orders]
        for task in tasks:
            task.batch = task.batch or search.train.fetch(task.ids)
            self.telling.evaluation_start(task, task.batch, None)
        search.before_step()
        items = [(task.child or {}, task.batch) for task in tasks]
        batches = search.options.evaluating.many(items)
        for task, batch in zip(tasks, batches, strict=True):
            task.after = checked(batch, len(task.ids))
            task.after_scores = list(batch.scores)
            self.telling.evaluation_end(task, batch, None)
            self._remember(task.child or {}, task.ids, batch)
        state.increment_evals(sum(calls_of(batch, len(task.ids)) for task, batch in zip(tasks, batches, strict=True)))
        self.telling.trace_scores(tasks, self._places())
        if search.options.judges_here:
            places = self._places()
            for task in tasks:
                task.proposal = self.telling.proposal_of(task, places[task.number])
            self.selecting.judge(tasks)
        for (_, trial, _, positions, _), task in zip(orders, tasks, strict=True):
            self._settle(trial, positions, task.after)
            calls = calls_of(task.after, len(task.ids))
            if calls != len(task.ids):
                self._note(trial, positions, {"metric_calls": calls})
        self._take_in()
        for task in tasks:
            if task.closed is not None and not task.passed:
                self.telling.rejected(task, self.selecting.reason(task))

    def _validate(self) -> bool:
        orders = self._taken("pareto")
        search = self.search
        if orders:
            tasks = [self.tasks[trial[0]] for _, trial, *_ in orders]
            items = []
            for (_, _, _, _, numbers), task in zip(orders, tasks, strict=True):
                task.val_ids = search.val.ids_of(numbers)
                items.append((task.child or {}, search.val.fetch(task.val_ids)))
            search.before_step()
            batches = search.options.evaluating.many(items)
            for (_, trial, _, positions, _), task, batch in zip(orders, tasks, batches, strict=True):
                checked(batch, len(task.val_ids))
                task.bought = len(task.val_ids)
                task.val = search.scores_of(batch, task.val_ids)
                self._remember(task.child or {}, task.val_ids, batch, of_val=True)
                self._settle(trial, positions, batch)
        return self._take_in()

    def _merge(self) -> bool:
        search, state = self.search, self.search.state
        task = next(iter(self.tasks.values()))
        iteration, trace = state.i + 1, state.full_program_trace[-1]
        subset = state.prog_candidate_val_subscores
        sums = [sum(subset[parent][one] for one in task.ids) for parent in task.parents]
        orders = self._taken("merge_gate")
        child = task.child or {}
        if orders or task.after_scores is None:
            self.telling.evaluation_start(task, search.val.fetch(task.ids), None, capture_traces=False)
            scored = self._known_scores(child, task.ids)
            bought = 0
            for _, trial, _, positions, numbers in orders:
                # Without a cache an example that the subset names twice is evaluated twice.
                ids = search.val.ids_of(numbers) if search.options.cache_evaluation else task.ids
                search.before_step()
                batch = checked(search.options.evaluating.one(search.val.fetch(ids), child), len(ids))
                bought += len(ids)
                fresh = search.scores_of(batch, ids)
                scored.scores |= fresh.scores
                scored.outputs |= fresh.outputs
                scored.objectives |= fresh.objectives
                self._remember(child, ids, batch, of_val=True)
                self._settle(trial, positions, batch)
            task.after_scores = [scored.scores[one] for one in task.ids]
            self.telling.merge_evaluated(task, scored)
            state.increment_evals(bought)
        trace |= {
            "invoked_merge": True,
            "merged": True,
            "merged_entities": (*task.parents, None),
            "subsample_ids": task.ids,
            "new_program_subsample_scores": task.after_scores,
        }
        for name, parent in zip(("id1", "id2"), task.parents, strict=True):
            trace[f"{name}_subsample_scores"] = [subset[parent][one] for one in task.ids]
        search.events.tell("on_merge_attempted", iteration=iteration, parent_ids=task.parents, merged_candidate=child)
        self._take_in()
        if not task.passed:
            reason = f"Merged score {sum(task.after_scores)} worse than both parents {sums}"
            search.log(f"Iteration {iteration}: {reason}")
            search.events.tell("on_merge_rejected", iteration=iteration, parent_ids=task.parents, reason=reason)
            search.commit()
            return False
        return self._validate()

    # ---- Decisions ---------------------------------------------------------------------------

    def _take_in(self) -> bool:
        """Follows the engine's decisions and takes its orders. Returns whether one is an acceptance."""
        search = self.search
        accepted = False
        decisions, orders = search.session.step()
        for decision in decisions:
            kind = decision[0]
            if kind == "issued":
                _, number, origin, parents, numbers, components = decision
                of = search.val if origin == "merge" else search.train
                ids = of.ids_of(numbers)
                self.tasks[number] = Task(number, origin, list(parents), ids, components=list(components))
            elif kind == "proposed":
                self.tasks[decision[1]].child = decision[3]
            elif kind == "gate":
                self.tasks[decision[1]].passed = decision[2]
            elif kind == "closed":
                task = self.tasks.get(decision[1])
                if task is not None:
                    task.closed, task.passed = decision[2], False
            elif kind == "accepted":
                self._accept(decision)
                accepted = True
            elif kind in ("stopped", "finished"):
                search.note_end(decision)
        for order in orders:
            self.orders.append(order)
            self._unanswered[_key(order)] = order
        return accepted

    def _accept(self, decision: tuple[Any, ...]) -> None:
        _, number, _, parents, origin, mean, scores, _ = decision
        search, state = self.search, self.search.state
        task = self.tasks[number]
        child = task.child or {}
        scored = task.val
        if len(scored.scores) < len(search.val.ids):
            scored = self._with_known(task, child, scores.read())
        discovery = state.total_num_evals
        state.increment_evals(task.bought)
        state.num_full_ds_evals += 1
        hears_of_front = search.events.hears("on_pareto_front_updated")
        before = members_of(state.get_pareto_front_mapping()) if hears_of_front else set()
        idx = state.add(child, list(parents), scored, mean, discovery, search.options.run_dir)
        trace = state.full_program_trace[-1]
        trace["new_program_idx"] = idx
        trace.setdefault("new_program_indices", []).append(idx)
        trace["evaluated_val_indices"] = sorted(scored.scores)
        after = members_of(state.get_pareto_front_mapping()) if hears_of_front else set()
        self.telling.accepted(task, idx, scored, (before, after), origin)

    def _with_known(self, task: Task, child: dict[str, str], scores: list[float | None]) -> ValsetScores:
        """A row, of which the engine knew a part before the validation."""
        all_scores = dict(zip(self.search.val.ids, scores, strict=False))
        missing = {one: score for one, score in all_scores.items() if score is not None and one not in task.val.scores}
        scored = self._known_scores(child, list(missing))
        scored.scores = missing | task.val.scores
        scored.outputs |= task.val.outputs
        scored.objectives |= task.val.objectives
        return scored

    # ---- Small parts -------------------------------------------------------------------------

    def _places(self) -> dict[int, int]:
        return {number: place for place, number in enumerate(self.tasks)}

    def _taken(self, stage: str) -> list[Order]:
        taken: list[Order] = []
        left: list[Order] = []
        for order in self.orders:
            (taken if order[0] == "trial" and order[2] == stage else left).append(order)
        self.orders = left
        return taken

    def _settle(self, trial: Any, positions: list[int], batch: Any) -> None:
        scores, objectives = as_numbers(batch.scores), named(batch.objective_scores)
        texts = self.search.texts_of(batch)
        spent = spent_of(batch)
        if len(positions) < len(scores):
            # The engine orders an example that a minibatch names twice once.
            scores = [scores[position] for position in positions]
            objectives = objectives and [objectives[position] for position in positions]
            texts = texts and [texts[position] for position in positions]
            spent = merged_at(spent, positions)
        self._unanswered.pop(("trial", trial), None)
        self.search.session.settle(trial, positions, scores, objectives, texts, spent)

    def _remember(self, candidate: Any, ids: list[Any], batch: Any, of_val: bool = False) -> None:
        if not self.search.options.cache_evaluation:
            return
        content, side = tuple(candidate.items()), of_val or self.search.train is self.search.val
        for place, one in enumerate(ids):
            objectives = batch.objective_scores[place] if batch.objective_scores else None
            self.known[(content, (side, one))] = (batch.outputs[place], objectives, batch.scores[place])

    def _known_scores(self, candidate: Any, ids: list[Any]) -> ValsetScores:
        scored = ValsetScores()
        content = tuple(candidate.items())
        for one in ids:
            known = self.known.get((content, (True, one)))
            if known is not None:
                scored.outputs[one], objectives, scored.scores[one] = known
                if objectives is not None:
                    scored.objectives[one] = dict(objectives)
        return scored

    def _note_calls(self, trial: Any, positions: list[int], task: Task) -> None:
        if task.metric_calls != len(task.ids):
            self._note(trial, positions, {"metric_calls": task.metric_calls})

    def _note_dataset(self, task: Task, records: dict[str, Any]) -> None:
        if task.is_restored or task.before is None:
            return
        kept = {"metric_calls": task.metric_calls, "components": task.components, "dataset": records}
        self._note((task.number, 0), [0], kept)

    def _note(self, trial: Any, positions: list[int], note: dict[str, Any]) -> None:
        """Keeps what a resumed run needs beside the first outcome of a trial, where it is JSON."""
        if not self.search.options.is_kept or not positions:
            return
        add_trace = self.search.session.add_trace
        try:
            add_trace(trial, positions[0], json.dumps(note))
        except (TypeError, ValueError, RecursionError):
            # The journal refuses NaN, single surrogates and deep nesting, which Python's JSON may have.
            add_trace(trial, positions[0], json.dumps({"metric_calls": note.get("metric_calls")}))


def _key(order: Order) -> tuple[Any, ...]:
    return order[:2] if order[0] == "trial" else order[:3]
