"""Runs one experiment with the real queue in this process, without a broker's server, and writes
what its database holds afterwards as JSON.

Usage: drive_queue.py OUTPUT EXPERIMENT_JSON
The environment names the database, the train command and the backend, as for any worker.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from synth_ai.experiment_queue.database import init_db, session_scope
from synth_ai.experiment_queue.models import Experiment, ExperimentJob, JobExecutionLog, Trial
from synth_ai.experiment_queue.schemas import ExperimentSubmitRequest
from synth_ai.experiment_queue.service import create_experiment
from synth_ai.experiment_queue.tasks import run_experiment_job


def row(record: object) -> dict[str, object]:
    columns = record.__table__.columns  # type: ignore[attr-defined]
    found = {}
    for column in columns:
        # `metadata` is a column whose attribute has another name.
        name = "metadata_json" if column.name == "metadata" else column.name
        value = getattr(record, name, None)
        found[column.name] = value if isinstance(value, (dict, list, int, float)) else str(value)
    return found


def main() -> None:
    output, spec = sys.argv[1:]
    init_db()
    experiment = create_experiment(ExperimentSubmitRequest.model_validate_json(spec))
    with session_scope() as session:
        jobs = session.query(ExperimentJob).filter_by(experiment_id=experiment.experiment_id)
        ids = [job.job_id for job in jobs.order_by(ExperimentJob.created_at)]
    for job_id in ids:
        run_experiment_job.apply(args=[job_id])
    with session_scope() as session:
        written = {
            name: [row(record) for record in session.query(kind).all()]
            for name, kind in {
                "experiments": Experiment,
                "jobs": ExperimentJob,
                "trials": Trial,
                "logs": JobExecutionLog,
            }.items()
        }
    Path(output).write_text(json.dumps(written, indent=1), encoding="utf-8")


main()
