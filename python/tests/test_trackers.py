"""W&B and MLflow get candidates, scores, tokens, cost and artifacts, without network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from test_own_features import Adapter, optimized

USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "cost_usd": 0.001}


def test_mlflow_gets_figures_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow: Any = pytest.importorskip("mlflow", reason="SKIPPED: mlflow is not installed")
    from gepa_engine.trackers import MlflowCallback

    monkeypatch.chdir(tmp_path)
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    mlflow.set_tracking_uri(uri)
    adapter = Adapter(usage=USAGE)
    result = optimized(adapter, max_metric_calls=80, callbacks=[MlflowCallback(tracking_uri=uri)])
    client = mlflow.MlflowClient(uri)
    [run] = client.search_runs([client.get_experiment_by_name("gepa").experiment_id])
    assert run.info.status == "FINISHED"
    metrics = run.data.metrics
    assert metrics["gepa/best_score"] == result.best_score
    assert metrics["gepa/candidates"] == len(result.candidates)
    assert metrics["gepa/total_tokens"] == 15 * adapter.calls
    assert metrics["gepa/total_cost_usd"] == pytest.approx(0.001 * adapter.calls)
    assert run.data.params["gepa/train_examples"] == "8"
    scores = [one.value for one in client.get_metric_history(run.info.run_id, "gepa/candidate_score")]
    assert scores == result.val_aggregate_scores
    path = client.download_artifacts(run.info.run_id, "gepa/candidates.json", str(tmp_path))
    texts = [one["texts"] for one in json.loads(Path(path).read_text("utf-8"))]
    assert texts == result.candidates


def test_mlflow_keeps_a_run_that_was_active(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow: Any = pytest.importorskip("mlflow", reason="SKIPPED: mlflow is not installed")
    from gepa_engine.trackers import MlflowCallback

    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    with mlflow.start_run() as mine:
        optimized(Adapter(), max_metric_calls=30, callbacks=[MlflowCallback()])
        assert mlflow.active_run().info.run_id == mine.info.run_id
    found = mlflow.get_run(mine.info.run_id)
    assert found.data.metrics["gepa/total_metric_calls"] >= 30
    assert found.data.metrics["gepa/total_tokens"] == 0


def test_wandb_gets_figures_and_files_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb: Any = pytest.importorskip("wandb", reason="SKIPPED: wandb is not installed")
    from gepa_engine.trackers import WandbCallback

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    adapter = Adapter(usage=USAGE)
    mine = wandb.init(project="prompts", dir=str(tmp_path))
    result = optimized(adapter, max_metric_calls=80, callbacks=[WandbCallback()])
    assert wandb.run is mine, "a run that was active stays open"
    summary = dict(mine.summary)
    assert summary["gepa/best_score"] == result.best_score
    assert summary["gepa/total_tokens"] == 15 * adapter.calls
    assert summary["gepa/total_cost_usd"] == pytest.approx(0.001 * adapter.calls)
    assert mine.config["gepa/train_examples"] == 8
    mine.finish()
    optimized(Adapter(), max_metric_calls=30, callbacks=[WandbCallback(project="prompts", dir=str(tmp_path))])
    assert wandb.run is None, "a run that the callback began is ended"
    assert len(list(tmp_path.glob("wandb/offline-run-*"))) == 2
