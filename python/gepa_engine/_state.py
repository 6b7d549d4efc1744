"""The state of a run, under the names that stop conditions, selectors and callbacks read."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

from ._journaled import shown
from ._result import GEPAResult

OBJECTIVE_FRONTIERS = ("objective", "hybrid", "cartesian")


class ValsetScores:
    """The outcomes of one candidate on the validation set, by example id."""

    def __init__(self) -> None:
        self.scores: dict[Any, float] = {}
        self.outputs: dict[Any, Any] = {}
        self.objectives: dict[Any, dict[str, float]] = {}


class SearchState:
    """Everything that has been decided so far. The engine decides; this follows its decisions."""

    def __init__(self, frontier_type: str, track_best_outputs: bool, components: list[str]) -> None:
        self.frontier_type = frontier_type
        self.list_of_named_predictors = components
        self.program_candidates: list[dict[str, str]] = []
        self.parent_program_for_candidate: list[list[int | None]] = []
        self.prog_candidate_val_subscores: list[dict[Any, float]] = []
        self.prog_candidate_objective_scores: list[dict[str, float]] = []
        self._best_by_example: dict[Any, float] = {}
        self._front_by_example: dict[Any, set[int]] = {}
        #: Candidates that the fronts by example do not show yet; they are brought up to date when they are read.
        self._not_shown: list[tuple[int, ValsetScores]] = []
        self.objective_pareto_front: dict[str, float] = {}
        self.program_at_pareto_front_objectives: dict[str, set[int]] = {}
        self.pareto_front_cartesian: dict[tuple[Any, str], float] = {}
        self.program_at_pareto_front_cartesian: dict[tuple[Any, str], set[int]] = {}
        self.named_predictor_id_to_update_next_for_program_candidate: list[int] = []
        self.num_metric_calls_by_discovery: list[int] = []
        self._best_outputs: dict[Any, list[tuple[int, Any]]] | None = {} if track_best_outputs else None
        self.full_program_trace: list[dict[str, Any]] = []
        self.i = -1
        self.num_full_ds_evals = 0
        self.total_num_evals = 0
        #: Tokens and US dollars as reported by models and adapters, up to the end of the last iteration.
        self.total_tokens = 0
        self.total_cost_usd = 0.0
        self.evaluation_cache: Any = None
        self.adapter_state: dict[str, Any] = {}
        #: The best candidate by mean score; of equal ones the one with more scores, then the earlier one.
        self.best_idx = 0
        self._means: list[float] = []
        self._budget_hooks: list[Callable[[int, int], None]] = []

    @property
    def pareto_front_valset(self) -> dict[Any, float]:
        """The best score on each validation example."""
        self._show()
        return self._best_by_example

    @property
    def program_at_pareto_front_valset(self) -> dict[Any, set[int]]:
        """The candidates with the best score on each validation example."""
        self._show()
        return self._front_by_example

    @property
    def best_outputs_valset(self) -> dict[Any, list[tuple[int, Any]]] | None:
        """The outputs with the best score on each validation example, and whose they are."""
        self._show()
        return self._best_outputs

    @property
    def program_full_scores_val_set(self) -> list[float]:
        """Mean validation score of every candidate."""
        return list(self._means)

    @property
    def per_program_tracked_scores(self) -> list[float]:
        """The scores that candidates are ranked by."""
        return list(self._means)

    @property
    def valset_evaluations(self) -> dict[Any, list[int]]:
        """The candidates that have a score on each validation example."""
        found: dict[Any, list[int]] = {}
        for idx, scores in enumerate(self.prog_candidate_val_subscores):
            for val_id in scores:
                found.setdefault(val_id, []).append(idx)
        return found

    def get_program_average_val_subset(self, program_idx: int) -> tuple[float, int]:
        """Mean score of a candidate, and the number of examples it stands on."""
        return self._means[program_idx], len(self.prog_candidate_val_subscores[program_idx])

    def get_pareto_front_mapping(self) -> dict[Any, set[int]]:
        """The candidates at the top of each front of the run's frontier type."""
        by_example = self.program_at_pareto_front_valset
        by_objective = self.program_at_pareto_front_objectives
        if self.frontier_type == "instance":
            return {key: set(front) for key, front in by_example.items()}
        if self.frontier_type == "objective":
            return {key: set(front) for key, front in by_objective.items()}
        if self.frontier_type == "hybrid":
            fronts: dict[Any, set[int]] = {("val_id", key): set(front) for key, front in by_example.items()}
            fronts |= {("objective", key): set(front) for key, front in by_objective.items()}
            return fronts
        cartesian = self.program_at_pareto_front_cartesian.items()
        return {("cartesian", *key): set(front) for key, front in cartesian}

    def add_budget_hook(self, hook: Callable[[int, int], None]) -> None:
        """Calls `hook(total, delta)` each time metric calls are counted."""
        self._budget_hooks.append(hook)

    def increment_evals(self, count: int) -> None:
        """Counts metric calls."""
        self.total_num_evals += count
        for hook in self._budget_hooks:
            hook(self.total_num_evals, count)

    def is_consistent(self) -> bool:
        """Whether all lists that run along the candidates have their length."""
        lengths = {
            len(self.program_candidates),
            len(self.parent_program_for_candidate),
            len(self.prog_candidate_val_subscores),
            len(self.prog_candidate_objective_scores),
            len(self.named_predictor_id_to_update_next_for_program_candidate),
            len(self.num_metric_calls_by_discovery),
        }
        return len(lengths) == 1

    def add(
        self,
        candidate: dict[str, str],
        parents: list[int],
        scored: ValsetScores,
        mean: float,
        discovery: int,
        run_dir: str | None,
    ) -> int:
        """Adds an accepted candidate and brings the fronts up to date."""
        idx = len(self.program_candidates)
        cursors = self.named_predictor_id_to_update_next_for_program_candidate
        self.program_candidates.append(dict(candidate))
        self.num_metric_calls_by_discovery.append(discovery)
        cursors.append(max(map(cursors.__getitem__, parents), default=0))
        self.parent_program_for_candidate.append(list(parents) if parents else [None])
        self.prog_candidate_val_subscores.append(scored.scores)
        self._means.append(mean)
        if idx and (mean, len(scored.scores)) > self.get_program_average_val_subset(self.best_idx):
            self.best_idx = idx
        objectives = _means_of(scored.objectives)
        self.prog_candidate_objective_scores.append(objectives)
        self._not_shown.append((idx, scored))
        if run_dir is not None and self._best_outputs is not None:
            self._show(run_dir)
        for name, score in objectives.items():
            _top(self.objective_pareto_front, self.program_at_pareto_front_objectives, name, score, idx)
        if self.frontier_type in OBJECTIVE_FRONTIERS and not scored.objectives:
            raise ValueError(
                f"frontier_type='{self.frontier_type}' requires objective_scores from the evaluator, and there are "
                "none; return them or choose frontier_type='instance'"
            )
        if self.frontier_type == "cartesian":
            for val_id, named in scored.objectives.items():
                for name, score in named.items():
                    fronts = self.program_at_pareto_front_cartesian
                    _top(self.pareto_front_cartesian, fronts, (val_id, name), score, idx)
        return idx

    def result(self, run_dir: str | None, seed: int | None, str_candidate_key: str | None = None) -> GEPAResult:
        """The result as it stands."""
        with_objectives = any(self.prog_candidate_objective_scores)
        objective_fronts = self.program_at_pareto_front_objectives
        return GEPAResult(
            candidates=[dict(candidate) for candidate in self.program_candidates],
            parents=[list(parents) for parents in self.parent_program_for_candidate],
            val_aggregate_scores=list(self._means),
            val_subscores=[dict(scores) for scores in self.prog_candidate_val_subscores],
            per_val_instance_best_candidates={
                key: set(front) for key, front in self.program_at_pareto_front_valset.items()
            },
            discovery_eval_counts=list(self.num_metric_calls_by_discovery),
            val_aggregate_subscores=list(self.prog_candidate_objective_scores) if with_objectives else None,
            per_objective_best_candidates=(
                {key: set(front) for key, front in objective_fronts.items()} if with_objectives else None
            ),
            objective_pareto_front=dict(self.objective_pareto_front) if with_objectives else None,
            best_outputs_valset=self.best_outputs_valset,
            total_metric_calls=self.total_num_evals,
            num_full_val_evals=self.num_full_ds_evals,
            run_dir=run_dir,
            seed=seed,
            _str_candidate_key=str_candidate_key,
        )

    def _show(self, run_dir: str | None = None) -> None:
        """Brings the fronts by example up to date, and writes the outputs that are best now."""
        if not self._not_shown:
            return
        added, self._not_shown = self._not_shown, []
        if len(added) > 1:
            added = self._without_beaten(added)
        best, fronts, outputs = self._best_by_example, self._front_by_example, self._best_outputs
        for idx, scored in added:
            of_candidate = scored.outputs
            for val_id, score in scored.scores.items():
                known = best.get(val_id)
                if known is not None and score < known:
                    continue
                is_alone = known is None or score > known
                if is_alone:
                    best[val_id] = score
                    fronts[val_id] = {idx}
                else:
                    fronts[val_id].add(idx)
                output = None if outputs is None else of_candidate.get(val_id)
                if outputs is None or output is None:
                    continue
                if not is_alone:
                    outputs.setdefault(val_id, []).append((idx, output))
                    continue
                outputs[val_id] = [(idx, output)]
                if run_dir is not None:
                    _write_output(run_dir, val_id, f"iter_{self.i + 1}_prog_{idx}.json", output)

    def _without_beaten(self, added: list[tuple[int, ValsetScores]]) -> list[tuple[int, ValsetScores]]:
        """Leaves out scores below the best ones that come along with them, where every row has all examples."""
        rows = [scored.scores for _, scored in added]
        examples = rows[0].keys()
        if any(row.keys() != examples for row in rows):
            return added
        # A best candidate without an output leaves the output of the one before in its place.
        # `in` would compare outputs, and arrays of numpy have no single answer to that.
        outputs = (one.outputs for _, one in added)
        if any(len(row) < len(examples) or any(one is None for one in row.values()) for row in outputs):
            return added
        # The first row stays whole, because the order of its examples is the order of the fronts.
        kept = [added[0], *((idx, ValsetScores()) for idx, _ in added[1:])]
        for val_id in examples:
            column = [row[val_id] for row in rows]
            top, place = max(column), 0
            for _ in range(column[1:].count(top)):
                place = column.index(top, place + 1)
                kept[place][1].scores[val_id] = top
                kept[place][1].outputs[val_id] = added[place][1].outputs[val_id]
        return kept


def _write_output(run_dir: str, val_id: Any, name: str, output: Any) -> None:
    folder = os.path.join(run_dir, "generated_best_outputs_valset", f"task_{val_id}")
    os.makedirs(folder, exist_ok=True)
    try:
        text = json.dumps(output, indent=4, default=shown)
    except (TypeError, ValueError, RecursionError):
        # The file is for a reader; what `result` holds is the output itself.
        return
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        file.write(text)


def _top(best: dict[Any, float], fronts: dict[Any, set[int]], key: Any, score: float, idx: int) -> int:
    """2 if the candidate has the front alone now, 1 if it joined it, 0 if it is below."""
    known = best.get(key)
    if known is None or score > known:
        best[key] = score
        fronts[key] = {idx}
        return 2
    if score == known:
        fronts[key].add(idx)
        return 1
    return 0


def _means_of(objectives: dict[Any, dict[str, float]]) -> dict[str, float]:
    sums: dict[str, float] = {}
    counts: dict[str, int] = {}
    for named in objectives.values():
        for name, score in named.items():
            sums[name] = sums.get(name, 0.0) + score
            counts[name] = counts.get(name, 0) + 1
    return {name: total / counts[name] for name, total in sums.items()}
