"""Callbacks that report a run to Weights & Biases or to MLflow.

`optimize(..., callbacks=[WandbCallback(project="prompts")])`. They report candidates, scores, tokens, cost and
artifacts. A tracker's run that is active already, or that is given, is used and left open; otherwise one is
begun and ended with the search.
"""

from __future__ import annotations

import importlib
import json
import os
import tempfile
from typing import Any


class _Reporting:
    """Turns events into figures and files; a tracker takes both."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._candidates: list[dict[str, Any]] = []
        self._rejected = 0
        self._best: float | None = None

    def on_optimization_start(self, event: Any) -> None:
        """Opens the tracker's run."""
        self._open(
            {
                f"{self._prefix}train_examples": event["trainset_size"],
                f"{self._prefix}validation_examples": event["valset_size"],
                **{f"{self._prefix}{name}": value for name, value in event["config"].items()},
            }
        )

    def on_valset_evaluated(self, event: Any) -> None:
        """Reports a candidate of the archive."""
        score = event["average_score"]
        self._best = score if self._best is None or score > self._best else self._best
        self._candidates.append(
            {
                "index": event["candidate_idx"],
                "iteration": event["iteration"],
                "parents": list(event["parent_ids"]),
                "score": score,
                "scores": {str(one): value for one, value in event["scores_by_val_id"].items()},
                "texts": dict(event["candidate"]),
            }
        )
        self._figures(
            {
                "candidate": event["candidate_idx"],
                "candidate_score": score,
                "best_score": self._best,
                "candidates": len(self._candidates),
            },
            event["iteration"],
        )

    def on_candidate_rejected(self, event: Any) -> None:
        """Counts a rejection."""
        self._rejected += 1

    def on_iteration_end(self, event: Any) -> None:
        """Reports what the run has used so far."""
        state = event["state"]
        figures = {"metric_calls": state.total_num_evals, "rejected": self._rejected}
        # A state of upstream's has neither.
        for name in ("total_tokens", "total_cost_usd"):
            value = getattr(state, name, None)
            if value is not None:
                figures[name] = value
        self._figures(figures, event["iteration"])

    def on_optimization_end(self, event: Any) -> None:
        """Reports the result as files, and ends a run that this callback began."""
        best = event["best_candidate_idx"]
        texts = event["final_state"].program_candidates[best]
        files = {
            "candidates.json": json.dumps(self._candidates, indent=2),
            "best_candidate.json": json.dumps({"index": best, "texts": texts}, indent=2),
        }
        self._close(files, {"best_candidate": best, "total_metric_calls": event["total_metric_calls"]})

    def _figures(self, figures: dict[str, Any], iteration: int) -> None:
        self._log({f"{self._prefix}{name}": value for name, value in figures.items()}, iteration)

    def _open(self, parameters: dict[str, Any]) -> None:
        raise NotImplementedError

    def _log(self, figures: dict[str, Any], iteration: int) -> None:
        raise NotImplementedError

    def _close(self, files: dict[str, str], summary: dict[str, Any]) -> None:
        raise NotImplementedError


class WandbCallback(_Reporting):
    """Reports to Weights & Biases; `WANDB_MODE=offline` needs no network."""

    def __init__(self, run: Any = None, prefix: str = "gepa/", **init: Any) -> None:
        """`run` is a run to report to; without it the active one, or a new one from `wandb.init(**init)`."""
        super().__init__(prefix)
        self._wandb: Any = _imported("wandb")
        self._run = run
        self._init = init
        self._is_own = False

    def _open(self, parameters: dict[str, Any]) -> None:
        if self._run is None:
            self._run = self._wandb.run
        if self._run is None:
            self._run = self._wandb.init(**self._init)
            self._is_own = True
        self._run.config.update(parameters, allow_val_change=True)
        self._run.define_metric(f"{self._prefix}*", step_metric=f"{self._prefix}iteration")

    def _log(self, figures: dict[str, Any], iteration: int) -> None:
        self._run.log(figures | {f"{self._prefix}iteration": iteration})

    def _close(self, files: dict[str, str], summary: dict[str, Any]) -> None:
        names = sorted({name for one in self._candidates for name in one["texts"]})
        table = self._wandb.Table(columns=["index", "iteration", "parents", "score", *names])
        for one in self._candidates:
            parents = ", ".join(map(str, one["parents"]))
            texts = [one["texts"].get(name) for name in names]
            table.add_data(one["index"], one["iteration"], parents, one["score"], *texts)
        self._run.log({f"{self._prefix}candidates_table": table})
        artifact = self._wandb.Artifact(f"gepa-{self._run.id}", type="gepa")
        for name, text in files.items():
            with artifact.new_file(name, mode="w", encoding="utf-8") as file:
                file.write(text)
        self._run.log_artifact(artifact)
        for name, value in summary.items():
            self._run.summary[f"{self._prefix}{name}"] = value
        if self._is_own:
            self._run.finish()


class MlflowCallback(_Reporting):
    """Reports to MLflow through a client, so that it works from any thread."""

    def __init__(
        self,
        run_id: str | None = None,
        experiment: str = "gepa",
        tracking_uri: str | None = None,
        prefix: str = "gepa/",
    ) -> None:
        """`run_id` is a run to report to; without it the active one, or a new one in `experiment`."""
        super().__init__(prefix)
        self._mlflow: Any = _imported("mlflow")
        self._client = self._mlflow.MlflowClient(tracking_uri=tracking_uri)
        self._run_id = run_id
        self._experiment = experiment
        self._is_own = False

    def _open(self, parameters: dict[str, Any]) -> None:
        active = self._mlflow.active_run()
        if self._run_id is None and active is not None:
            self._run_id = active.info.run_id
        if self._run_id is None:
            known = self._client.get_experiment_by_name(self._experiment)
            experiment = known.experiment_id if known else self._client.create_experiment(self._experiment)
            self._run_id = self._client.create_run(experiment).info.run_id
            self._is_own = True
        for name, value in parameters.items():
            self._client.log_param(self._run_id, name, value)

    def _log(self, figures: dict[str, Any], iteration: int) -> None:
        for name, value in figures.items():
            self._client.log_metric(self._run_id, name, float(value), step=iteration)

    def _close(self, files: dict[str, str], summary: dict[str, Any]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            for name, text in files.items():
                path = os.path.join(folder, name)
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)
                self._client.log_artifact(self._run_id, path, artifact_path="gepa")
        for name, value in summary.items():
            self._client.log_metric(self._run_id, f"{self._prefix}{name}", float(value))
        if self._is_own:
            self._client.set_terminated(self._run_id)


def _imported(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(f"this callback needs the package {name}: pip install {name}") from error
