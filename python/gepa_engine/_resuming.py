"""The state of a run, rebuilt from its journal."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ._journaled import from_text
from ._reflection import NewTexts
from ._state import OBJECTIVE_FRONTIERS, ValsetScores
from ._task import Task

if TYPE_CHECKING:
    from ._search import Search

ADAPTER_STATE = "adapter_state.json"
TUPLE = "__tuple__"


class Rebuilt:
    """Follows a stored journal. Callbacks get no event that an earlier process gave them."""

    def __init__(self, search: Search) -> None:
        self.search = search
        self.tasks: dict[int, Task] = {}
        #: Proposals of the present iteration that are not decided on.
        self._undecided: set[int] = set()
        self._last_of_iteration = 0
        self._seed = ValsetScores()

    @property
    def open_tasks(self) -> list[Task]:
        """The proposals of the iteration in which the process ended; empty between iterations."""
        return list(self.tasks.values()) if self._undecided else []

    def take_in(self, history: list[tuple[Any, ...]]) -> Rebuilt:
        """Follows every event."""
        handlers: dict[str, Callable[..., None]] = {
            "issued": self._issued,
            "proposed": self._proposed,
            "gate": self._gate,
            "closed": self._closed,
            "rollout": self._rollout,
            "reflection": self._reflection,
            "accepted": self._accepted,
        }
        for event in history:
            handler = handlers.get(event[0])
            if handler is not None:
                handler(*event[1:])
        return self

    @staticmethod
    def write_adapter_state(run_dir: str, state: dict[str, Any]) -> None:
        """Keeps what the adapter wants to find again, where it is JSON."""
        if not state:
            return
        path = os.path.join(run_dir, ADAPTER_STATE)
        with contextlib.suppress(TypeError, ValueError):
            text = json.dumps(_tagged(state))
            with open(path + ".new", "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(path + ".new", path)

    @staticmethod
    def read_adapter_state(run_dir: str) -> dict[str, Any]:
        """What `write_adapter_state` kept."""
        try:
            with open(os.path.join(run_dir, ADAPTER_STATE), encoding="utf-8") as file:
                return dict(_untagged(json.load(file)))
        except FileNotFoundError:
            return {}

    def _issued(self, number: int, origin: str, parents: list[int], numbers: list[int], names: list[str]) -> None:
        search, state = self.search, self.search.state
        options = search.options
        if number > self._last_of_iteration:
            state.i += 1
            state.full_program_trace.append({"i": state.i})
            self.tasks, self._undecided = {}, set()
            size = 1 if origin == "merge" else options.parents_per_iteration * options.batches_per_parent
            self._last_of_iteration = number + size - 1
        ids = (search.val if origin == "merge" else search.train).ids_of(numbers)
        self.tasks[number] = Task(number, origin, list(parents), ids, components=list(names))
        self._undecided.add(number)
        trace = state.full_program_trace[-1]
        if origin == "merge":
            trace |= {"invoked_merge": True, "merged": True, "merged_entities": (*parents, None)}
        else:
            trace.setdefault("selected_program_candidate", parents[0])
            trace.setdefault("subsample_ids", ids)
            tasks = trace.setdefault("tasks", [])
            tasks.append({"parent_idx": parents[0], "subsample_ids": list(ids)})
            trace["n_tasks"] = len(tasks)

    def _proposed(self, number: int, origin: str, texts: dict[str, str]) -> None:
        self.tasks[number].child = texts

    def _gate(self, number: int, passed: bool, before: float, after: float) -> None:
        self.tasks[number].passed = passed

    def _closed(self, number: int, reason: str, detail: str) -> None:
        self._undecided.discard(number)
        if number in self.tasks:
            self.tasks[number].closed = "done"

    def _rollout(
        self,
        trial: tuple[int, int],
        stage: str,
        position: int,
        number: int,
        score: float | None,
        objectives: list[tuple[str, float]],
        output: str | None,
        trace: str | None,
    ) -> None:
        search, state = self.search, self.search.state
        note = json.loads(trace) if trace is not None else {}
        if stage == "seed":
            self._keep(self._seed, search.val.ids_of([number])[0], score, objectives, output)
            state.total_num_evals += 1
            return
        task = self.tasks.get(trial[0])
        if task is None:
            return
        if stage == "minibatch_parent":
            if position == 0:
                calls = note.get("metric_calls")
                state.total_num_evals += len(task.ids) if calls is None else calls
                if "dataset" in note:
                    task.components, task.dataset = note["components"], note["dataset"]
                    task.is_restored = True
                    self._turn(task)
            task.before_scores = [*(task.before_scores or []), 0.0 if score is None else score]
        elif stage == "minibatch_child":
            if position == 0:
                calls = note.get("metric_calls")
                state.total_num_evals += len(task.ids) if calls is None else calls
            task.after_scores = [*(task.after_scores or []), 0.0 if score is None else score]
        elif stage == "merge_gate":
            state.total_num_evals += 1
            task.after_scores = [*(task.after_scores or []), 0.0 if score is None else score]
        elif stage == "pareto":
            self._keep(task.val, search.val.ids_of([number])[0], score, objectives, output)
            task.bought += 1

    def _turn(self, task: Task) -> None:
        options, state = self.search.options, self.search.state
        if options.component_selector == "round_robin" and options.selects_components_here:
            cursors = state.named_predictor_id_to_update_next_for_program_candidate
            cursors[task.parent] = (cursors[task.parent] + 1) % len(state.list_of_named_predictors)

    def _reflection(self, number: int, component: str, text: str | None, reply: str | None) -> None:
        task = self.tasks.get(number)
        if task is not None:
            task.answer = task.answer or NewTexts({})
            if text is not None:
                task.answer.texts[component] = text
                task.answer.raw[component] = reply or ""

    def _accepted(
        self,
        number: int,
        index: int,
        parents: list[int],
        origin: str,
        mean: float,
        scores: list[float | None],
        best: bool,
    ) -> None:
        search, state = self.search, self.search.state
        self._undecided.discard(number)
        if origin == "seed":
            state.num_full_ds_evals = 1
            state.add(search.options.seed_candidate, [], self._seed, mean, 0, None)
            return
        task = self.tasks[number]
        known = dict(zip(search.val.ids, scores, strict=False))
        task.val.scores = {one: score for one, score in known.items() if score is not None}
        discovery = state.total_num_evals
        state.total_num_evals += task.bought
        state.num_full_ds_evals += 1
        idx = state.add(task.child or {}, list(parents), task.val, mean, discovery, None)
        task.closed = "done"
        trace = state.full_program_trace[-1]
        trace["new_program_idx"] = idx
        trace.setdefault("new_program_indices", []).append(idx)

    def _keep(self, scored: ValsetScores, one: Any, score: float | None, objectives: Any, output: str | None) -> None:
        if score is None:
            return
        scored.scores[one] = score
        if objectives or self.search.state.frontier_type in OBJECTIVE_FRONTIERS:
            scored.objectives[one] = dict(objectives)
        kept = from_text(output)
        if kept is not None:
            scored.outputs[one] = kept


def _tagged(value: Any) -> Any:
    """JSON knows no tuples, and a generator's state is one."""
    if isinstance(value, tuple):
        return {TUPLE: [_tagged(one) for one in value]}
    if isinstance(value, list):
        return [_tagged(one) for one in value]
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise TypeError("a key is no text")
        return {key: _tagged(one) for key, one in value.items()}
    return value


def _untagged(value: Any) -> Any:
    if isinstance(value, list):
        return [_untagged(one) for one in value]
    if isinstance(value, dict):
        if list(value) == [TUPLE]:
            return tuple(_untagged(one) for one in value[TUPLE])
        return {key: _untagged(one) for key, one in value.items()}
    return value
