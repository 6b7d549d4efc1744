"""The result of a run, with the fields and methods of the reference implementation's `GEPAResult`."""

from __future__ import annotations

import html
import json
from dataclasses import dataclass, field
from typing import Any, ClassVar


@dataclass(frozen=True)
class GEPAResult:
    """All accepted candidates, their scores and where they came from; index 0 is the seed."""

    candidates: list[dict[str, str]]
    parents: list[list[int | None]]
    val_aggregate_scores: list[float]
    val_subscores: list[dict[Any, float]]
    per_val_instance_best_candidates: dict[Any, set[int]]
    discovery_eval_counts: list[int]
    val_aggregate_subscores: list[dict[str, float]] | None = None
    per_objective_best_candidates: dict[str, set[int]] | None = None
    objective_pareto_front: dict[str, float] | None = None
    best_outputs_valset: dict[Any, list[tuple[int, Any]]] | None = None
    total_metric_calls: int | None = None
    num_full_val_evals: int | None = None
    run_dir: str | None = None
    seed: int | None = None
    _str_candidate_key: str | None = None
    # What only this engine knows; no part of the serialised form.
    run_id: str | None = field(default=None, compare=False)
    store: str | None = field(default=None, compare=False)
    stop_reason: str | None = field(default=None, compare=False)
    held_out: list[dict[str, Any]] | None = field(default=None, compare=False)

    _VERSION: ClassVar[int] = 2

    @property
    def best_idx(self) -> int:
        """The first candidate with the highest mean score."""
        scores = self.val_aggregate_scores
        return scores.index(max(scores))

    @property
    def best_score(self) -> float:
        """The highest mean score."""
        return self.val_aggregate_scores[self.best_idx]

    @property
    def best_candidate(self) -> Any:
        """The best candidate; its text alone if the run was started with a text."""
        best = self.candidates[self.best_idx]
        if self._str_candidate_key is not None and self._str_candidate_key in best:
            return best[self._str_candidate_key]
        return best

    @property
    def best_refiner_prompt(self) -> str | None:
        """The refiner's prompt of the best candidate, if the run evolved one."""
        return self.candidates[self.best_idx].get("refiner_prompt")

    @property
    def num_candidates(self) -> int:
        """Accepted candidates, the seed included."""
        return len(self.candidates)

    @property
    def num_val_instances(self) -> int:
        """Validation examples with a score."""
        return len(self.per_val_instance_best_candidates)

    @property
    def total_evals(self) -> int | None:
        """Metric calls."""
        return self.total_metric_calls

    def lineage(self, idx: int) -> list[int]:
        """The candidate and its first parents, back to the seed."""
        line = [idx]
        while (parent := self.parents[line[-1]][0] if self.parents[line[-1]] else None) is not None:
            line.append(parent)
        return line

    def candidate_tree_dot(self) -> str:
        """The tree of candidates in the DOT language."""
        fronts = [set(front) for front in self.per_val_instance_best_candidates.values()]
        on_front = set().union(*fronts) if fronts else set()
        lines = ["digraph candidates {", '  node [style=filled, shape=circle, fontsize="14"];']
        for idx, score in enumerate(self.val_aggregate_scores):
            colour = "cyan" if idx == self.best_idx else "orange" if idx in on_front else "lightgray"
            tip = json.dumps(json.dumps(self.candidates[idx], ensure_ascii=False), ensure_ascii=False)
            lines.append(f'  {idx} [label="{idx}\\n({score:.2f})", fillcolor={colour}, tooltip={tip}];')
        for idx, parents in enumerate(self.parents):
            lines += [f"  {parent} -> {idx};" for parent in parents if parent is not None]
        return "\n".join([*lines, "}"]) + "\n"

    def candidate_tree_html(self) -> str:
        """The tree of candidates as a page that loads nothing."""
        rows = []
        for idx, candidate in enumerate(self.candidates):
            parents = ", ".join(str(parent) for parent in self.parents[idx] if parent is not None)
            texts = html.escape(json.dumps(candidate, ensure_ascii=False, indent=2))
            mark = " class=best" if idx == self.best_idx else ""
            rows.append(
                f"<tr{mark}><td>{idx}<td>{parents or 'seed'}<td>{self.val_aggregate_scores[idx]:.4f}"
                f"<td><details><summary>texts</summary><pre>{texts}</pre></details>"
            )
        return (
            "<!doctype html><meta charset=utf-8><title>candidates</title>"
            "<style>td,th{padding:2px 8px;text-align:left;vertical-align:top}.best{background:#cff}</style>"
            "<table><tr><th>candidate<th>parents<th>mean score<th>" + "".join(rows) + "</table>"
        )

    def _repr_html_(self) -> str:
        gained = self.best_score - self.val_aggregate_scores[0]
        head = (
            f"<p>{self.num_candidates} candidates, {self.total_metric_calls} metric calls; best is "
            f"{self.best_idx} with {self.best_score:.4f} ({gained:+.4f} against the seed)</p>"
        )
        return head + self.candidate_tree_html()

    def to_dict(self) -> dict[str, Any]:
        """The result as plain data, in version 2 of the reference implementation's schema."""

        def listed(fronts: dict[Any, set[int]] | None) -> dict[Any, list[int]] | None:
            return None if fronts is None else {key: sorted(front) for key, front in fronts.items()}

        return {
            "candidates": [dict(candidate) for candidate in self.candidates],
            "parents": self.parents,
            "val_aggregate_scores": self.val_aggregate_scores,
            "val_subscores": self.val_subscores,
            "best_outputs_valset": self.best_outputs_valset,
            "per_val_instance_best_candidates": listed(self.per_val_instance_best_candidates),
            "val_aggregate_subscores": self.val_aggregate_subscores,
            "per_objective_best_candidates": listed(self.per_objective_best_candidates),
            "objective_pareto_front": self.objective_pareto_front,
            "discovery_eval_counts": self.discovery_eval_counts,
            "total_metric_calls": self.total_metric_calls,
            "num_full_val_evals": self.num_full_val_evals,
            "run_dir": self.run_dir,
            "seed": self.seed,
            "_str_candidate_key": self._str_candidate_key,
            "best_idx": self.best_idx,
            "validation_schema_version": self._VERSION,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> GEPAResult:
        """The result of `to_dict`; versions 0 and 1, which hold lists, are read as well."""
        version = data.get("validation_schema_version") or 0
        if version > cls._VERSION:
            raise ValueError(f"the result has schema version {version}; this program reads up to {cls._VERSION}")

        def keyed(value: Any) -> dict[Any, Any] | None:
            if value is None:
                return None
            return dict(value) if isinstance(value, dict) else dict(enumerate(value))

        def fronts(value: Any) -> dict[Any, set[int]] | None:
            known = keyed(value)
            return None if known is None else {key: set(front) for key, front in known.items()}

        outputs = keyed(data.get("best_outputs_valset"))
        if outputs is not None:
            outputs = {key: [(idx, output) for idx, output in pairs] for key, pairs in outputs.items()}
        return cls(
            candidates=[dict(candidate) for candidate in data.get("candidates", [])],
            parents=[list(row) for row in data.get("parents", [])],
            val_aggregate_scores=list(data.get("val_aggregate_scores", [])),
            val_subscores=[keyed(scores) or {} for scores in data.get("val_subscores", [])],
            per_val_instance_best_candidates=fronts(data.get("per_val_instance_best_candidates")) or {},
            discovery_eval_counts=list(data.get("discovery_eval_counts", [])),
            val_aggregate_subscores=data.get("val_aggregate_subscores"),
            per_objective_best_candidates=fronts(data.get("per_objective_best_candidates")),
            objective_pareto_front=data.get("objective_pareto_front"),
            best_outputs_valset=outputs,
            total_metric_calls=data.get("total_metric_calls"),
            num_full_val_evals=data.get("num_full_val_evals"),
            run_dir=data.get("run_dir"),
            seed=data.get("seed"),
            _str_candidate_key=data.get("_str_candidate_key"),
        )
