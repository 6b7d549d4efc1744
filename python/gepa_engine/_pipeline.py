"""The loop with several proposals in flight: `schedule=`. Evaluations and reflections run on threads, in parts."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from ._checking import repaired, texts_of
from ._events import Events, Silent
from ._options import Options
from ._reflection import NewTexts
from ._search import Search
from ._spending import spent_of
from ._state import ValsetScores
from ._task import Task, as_numbers, checked, named
from ._types import EvaluationBatch

#: Takes in what a call returned, on the thread of `optimize`.
Finish = Callable[[Any], None]


class Pipeline(Search):
    """A search whose engine does not wait for one proposal before the next."""

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.tasks: dict[int, Task] = {}
        self._parts: dict[tuple[int, int], dict[int, tuple[Any, Any]]] = {}
        self._calls: dict[Future[Any], tuple[Finish, Callable[[str], None]]] = {}

    def _rebuild(self, history: list[tuple[Any, ...]]) -> list[Any]:
        """Follows a stored run. What was in flight is ordered again, so no task is left open."""
        options = self.options
        events, logger = options.events, options.logger
        # Callbacks and loggers heard of it in the process that lived it.
        options.events, options.logger = Events(None), Silent()
        try:
            for event in history:
                if event[0] in ("issued", "proposed", "gate", "closed", "accepted"):
                    self._decide(event)
        finally:
            options.events, options.logger = events, logger
        self.state.total_num_evals = self.session.rollouts
        return []

    def _loop(self) -> None:
        with ThreadPoolExecutor(self.options.evaluating.parallel, thread_name_prefix="gepa") as pool:
            self._pool = pool
            try:
                for decision in self.early_decisions:
                    self._decide(decision)
                while True:
                    # Asked before anything is started.
                    is_over = not self._has_ended and self._should_stop()
                    self._follow(starts=not is_over)
                    if is_over or not self._calls:
                        break
                    done, _ = wait(self._calls, return_when=FIRST_COMPLETED)
                    for future in done:
                        self._take(future, *self._calls.pop(future))
                self._keep_what_runs()
                self._follow(starts=False)
            except BaseException:
                self._keep_what_runs()
                raise

    def _keep_what_runs(self) -> None:
        """Calls that have not begun are dropped. The others end before the run does, and what they bought is kept."""
        calls, self._calls = self._calls, {}
        running = [future for future in calls if not future.cancel()]
        wait(running)
        for future in running:
            if future.exception() is None:
                # The run ends for another reason, or with the exception that it already has.
                with contextlib.suppress(Exception):
                    calls[future][0](future.result())

    def _take(self, future: Future[Any], finish: Finish, fail: Callable[[str], None]) -> None:
        try:
            finish(future.result())
        except Exception as error:
            goes_on = not self.options.raise_on_exception
            self.log(f"{type(error).__name__}: {error}")
            self.events.tell("on_error", iteration=self.state.i + 1, exception=error, will_continue=goes_on)
            if not goes_on:
                raise
            fail(f"{type(error).__name__}: {error}")

    def _follow(self, starts: bool) -> None:
        """Follows the decisions, and starts what is ordered."""
        decisions, orders = self.session.step()
        for decision in decisions:
            self._decide(decision)
        self.commit()
        for order in orders:
            if order[0] == "trial" and order[2].startswith("validation"):
                # The final scoring, which follows the search.
                self.generation.orders.append(order)
            elif not starts:
                continue
            elif order[0] == "reflection":
                self._reflect(*order[1:])
            else:
                self._evaluate(*order[1:])

    def _decide(self, decision: tuple[Any, ...]) -> None:
        kind = decision[0]
        if kind == "issued":
            _, number, origin, parents, numbers, components = decision
            of = self.val if origin == "merge" else self.train
            ids = of.ids_of(numbers)
            self.tasks[number] = Task(number, origin, list(parents), ids, components=list(components))
            self.state.i = max(self.state.i, number - 1)
            self.events.tell(
                "on_iteration_start", iteration=number, state=self.state, trainset_loader=self.options.train
            )
        elif kind == "proposed":
            self.tasks[decision[1]].child = decision[3]
        elif kind == "gate":
            task = self.tasks[decision[1]]
            task.passed = decision[2]
            task.before_scores, task.after_scores = [decision[3]], [decision[4]]
        elif kind == "closed":
            self._close(self.tasks.pop(decision[1], None), decision[2])
        elif kind == "accepted":
            self._accept(decision)
        elif kind in ("stopped", "finished"):
            self.note_end(decision)

    # ---- Evaluations -------------------------------------------------------------------------

    def _evaluate(self, trial: tuple[int, int], stage: str, positions: list[int], numbers: list[int]) -> None:
        task = self.tasks[trial[0]]
        is_parent = stage == "minibatch_parent"
        candidate = self.state.program_candidates[task.parent] if is_parent else task.child or {}
        of = self.train if stage.startswith("minibatch") else self.val
        ids = of.ids_of(numbers)
        parallel = self.options.evaluating.parallel
        size = max(1, -(-len(ids) // parallel))
        for start in range(0, len(ids), size):
            part = slice(start, start + size)
            self._start_part(trial, task, positions[part], ids[part], of.fetch(ids[part]), candidate, is_parent)

    def _start_part(
        self,
        trial: tuple[int, int],
        task: Task,
        positions: list[int],
        ids: list[Any],
        examples: list[Any],
        candidate: dict[str, str],
        traced: bool,
    ) -> None:
        evaluating = self.options.evaluating

        def call() -> Any:
            return evaluating.wait(evaluating.adapter.evaluate(examples, candidate, capture_traces=traced))

        def finish(batch: Any) -> None:
            checked(batch, len(ids))
            self.state.increment_evals(len(ids))
            scored = self.scores_of(batch, ids)
            if traced:
                kept = self._parts.setdefault((task.number, 0), {})
                for place, position in enumerate(positions):
                    kept[position] = (place, batch)
            elif task.child is not None:
                task.val.scores |= scored.scores
                task.val.outputs |= scored.outputs
                task.val.objectives |= scored.objectives
            self.session.settle(
                trial,
                positions,
                as_numbers(batch.scores),
                named(batch.objective_scores),
                self.texts_of(batch),
                spent_of(batch),
            )

        def fail(reason: str) -> None:
            self.session.fail(trial, positions, reason)

        self._submit(call, finish, fail)

    # ---- Reflections -------------------------------------------------------------------------

    def _reflect(self, number: int, component: str, attempt: int) -> None:
        task = self.tasks[number]
        candidate = self.state.program_candidates[task.parent]
        before = self._batch_of(task)
        evaluating, reflector = self.options.evaluating, self.options.reflector

        def call() -> NewTexts:
            batch = before
            if batch is None:
                # The traces of an earlier process are gone, and a reflection needs them.
                examples = self.train.fetch(task.ids)
                batch = evaluating.wait(evaluating.adapter.evaluate(examples, candidate, capture_traces=True))
            dataset = evaluating.wait(evaluating.adapter.make_reflective_dataset(candidate, batch, [component]))
            return reflector.propose([(candidate, dataset, [component])])[0]

        def finish(answer: NewTexts) -> None:
            if before is None:
                self.state.increment_evals(len(task.ids))
            text, reply = texts_of(answer.texts).get(component), answer.raw.get(component)
            failure = None if text is not None else "no text was proposed"
            spent = self.meter.since_last()
            self.session.rewrite(number, component, attempt, text, reply and repaired(reply), failure, spent)

        def fail(reason: str) -> None:
            self.session.rewrite(number, component, attempt, None, None, reason)

        self._submit(call, finish, fail)

    def _batch_of(self, task: Task) -> Any:
        """The parent's minibatch, put together from its parts; `None` if this process has not all of it."""
        kept = self._parts.get((task.number, 0), {})
        if len(kept) < len(set(task.ids)):
            return None
        places = [kept[position] for position in sorted(kept)]

        def joined(name: str) -> Any:
            values: list[Any] = []
            for place, batch in places:
                of_batch = getattr(batch, name, None)
                if of_batch is None:
                    return None
                values.append(of_batch[place])
            return values

        return EvaluationBatch(
            outputs=joined("outputs"),
            scores=joined("scores"),
            trajectories=joined("trajectories"),
            objective_scores=joined("objective_scores"),
        )

    # ---- Ends of proposals -------------------------------------------------------------------

    def _accept(self, decision: tuple[Any, ...]) -> None:
        _, number, _, parents, _, mean, scores, _ = decision
        task = self.tasks.pop(number, None)
        if task is None:
            # The seed of a run that is resumed.
            task = Task(number, "seed", [], [], child=self.options.seed_candidate)
        scored = ValsetScores()
        of_row = scores if isinstance(scores, list) else scores.read()
        scored.scores = {one: score for one, score in zip(self.val.ids, of_row, strict=False) if score is not None}
        scored.outputs = {one: value for one, value in task.val.outputs.items() if one in scored.scores}
        scored.objectives = {one: value for one, value in task.val.objectives.items() if one in scored.scores}
        child, state = task.child or {}, self.state
        idx = state.add(child, list(parents), scored, mean, state.total_num_evals, self.options.run_dir)
        state.num_full_ds_evals += 1
        self.log(f"Iteration {number}: candidate {idx} accepted with validation score {mean}")
        self.events.tell(
            "on_valset_evaluated",
            iteration=number,
            candidate_idx=idx,
            candidate=child,
            scores_by_val_id=dict(scored.scores),
            average_score=mean,
            num_examples_evaluated=len(scored.scores),
            total_valset_size=len(self.val),
            parent_ids=list(parents),
            is_best_program=self.best() == idx,
            outputs_by_val_id=scored.outputs or None,
        )
        self.events.tell(
            "on_candidate_accepted",
            iteration=number,
            new_candidate_idx=idx,
            new_score=sum(task.after_scores or []),
            parent_ids=list(parents),
        )
        self._tell_end_of(number, True)

    def _close(self, task: Task | None, reason: str) -> None:
        if task is None:
            return
        if task.child is not None:
            self.events.tell(
                "on_candidate_rejected",
                iteration=task.number,
                old_score=sum(task.before_scores or []),
                new_score=sum(task.after_scores or []),
                reason=reason,
            )
        self._tell_end_of(task.number, False)

    def _tell_end_of(self, number: int, accepted: bool) -> None:
        self._parts.pop((number, 0), None)
        self.state.total_tokens, self.state.total_cost_usd = self.session.spent
        self.events.tell("on_iteration_end", iteration=number, state=self.state, proposal_accepted=accepted)

    def _submit(self, call: Callable[[], Any], finish: Finish, fail: Callable[[str], None]) -> None:
        self._calls[self._pool.submit(contextvars.copy_context().run, call)] = (finish, fail)
