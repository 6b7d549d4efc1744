"""The real experiment queue with `gepa train` as its command: rows 14, 15 and 22, and the tables."""

from __future__ import annotations

import importlib.util
import io
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import aggregate
import clients
import configs
from checks import Context, check, equal, expect
from check_jobs import OVERRIDDEN_MODEL

Json = Any
BUDGETS = {"heartdisease": 260, "iris": 50}
OVERRIDES = {
    "heartdisease": {
        configs.POLICY_MODEL: OVERRIDDEN_MODEL,
        configs.POLICY_PROVIDER: "groq",
        configs.BUDGET: BUDGETS["heartdisease"],
        "prompt_learning.termination_config.max_rollouts": BUDGETS["heartdisease"],
    },
    "iris": {configs.BUDGET: BUDGETS["iris"]},
}
IN_STATUS = (
    "trials_tried",
    "total_tokens",
    "total_rollouts",
    "optimization_rollouts_executed",
    "validation_rollouts_executed",
    "optimization_trials_evaluated",
    "validation_trials_evaluated",
    "total_time_seconds",
    "eval_seeds_n",
    "baseline_score",
    "best_score",
)
IN_STATS = (
    "trials_tried",
    "total_tokens",
    "total_rollouts",
    "policy_model",
    "eval_seeds_n",
    "total_cost_usd",
)


class Queued:
    """What the queue's database holds about the one job of an experiment, and the backend's job."""

    def __init__(self, context: Context, task: str, written: dict[str, list[Json]], config: Path) -> None:
        self.task = task
        self.config = config
        self.job = written["jobs"][0]
        self.trials = written["trials"]
        self.experiment = written["experiments"][0]
        problem = f"{self.job['status']}: {str(self.job['error'])[-1500:]}"
        expect("COMPLETED" in self.job["status"].upper(), problem)
        self.result = self.job["result"]
        self.status = self.job["status_json"]
        self.backend_job = context.world.backend.job(self.job["backend_job_id"])


def queued(context: Context, task: str) -> Queued:
    expect(f"queue {task}" in context.jobs, f"the {task} experiment did not finish")
    found: Queued = context.jobs[f"queue {task}"]
    return found


@check("queue: experiments run to their end with `gepa train --backend`")
def experiments_run(context: Context) -> str:
    world = context.world
    before = world.model_server.ledger()
    started = {}
    for task, overrides in OVERRIDES.items():
        folder = configs.deep_folder(world.folder, f"queue_{task}")
        config = configs.place(task, world.proxies[task].url, folder)
        job = {"job_type": "gepa", "config_path": str(config), "config_overrides": overrides}
        started[task] = (clients.start_queue(world, [job], f"{world.gepa} train"), config)
    for task, (running, config) in started.items():
        written = running.returned(200)
        context.jobs[f"queue {task}"] = Queued(context, task, written, config)
    total = sum(queued(context, task).status["total_tokens"] for task in OVERRIDES)
    change = world.model_server.ledger()["total_tokens"] - before["total_tokens"]
    return equal("total_tokens of both", total, "ledger", change)


@check("row 14: the final status_json is complete and equals the backend's statistics")
def status_complete(context: Context) -> str:
    for task in OVERRIDES:
        found = queued(context, task)
        stats = found.backend_job["metadata"]["stats"]
        for name in IN_STATUS:
            expect(found.status.get(name) is not None, f"{task}: no {name} in {found.status}")
            equal(f"{task} status_json.{name}", found.status[name], "stats", stats[name])
        for name in ("rollouts_completed", "trials_completed", "policy", "environment", "progress_pct"):
            expect(found.status.get(name), f"{task}: no {name} in {found.status}")
    return f"heartdisease {({name: queued(context, 'heartdisease').status[name] for name in IN_STATUS[:3]})}"


@check("row 15: ResultSummary.stats has everything, the overridden model included")
def result_summary(context: Context) -> str:
    for task in OVERRIDES:
        found = queued(context, task)
        for name in IN_STATS:
            expect(found.result["stats"].get(name) is not None, f"{task}: no {name}")
        expect(found.result["returncode"] == 0, found.result["returncode"])
        paths = {"learning_curve_path", "stats_path", "best_prompt_path"}
        expect(paths <= set(found.result["artifacts"]), found.result["artifacts"])
        budget = BUDGETS[task]
        expect(0 < found.result["total_rollouts"] <= budget, found.result["total_rollouts"])
    stats = queued(context, "heartdisease").result["stats"]
    return equal("policy_model", stats["policy_model"], "override", OVERRIDDEN_MODEL)


@check("row 22: learning curve points carry rollout_count, score and the full prompt")
def learning_curve(context: Context) -> str:
    found = queued(context, "heartdisease")
    candidates = context.world.backend.rows(found.job["backend_job_id"], "candidates")
    texts = {text for row in candidates for text in row["components"].values()}
    points = found.result["learning_curve"]
    expect(len(points) >= 2, points)
    for point in points:
        expect(point["rollout_count"] and point["performance"] is not None, point)
        sections = point["metadata"]["template"]["sections"]
        expect(any(section["content"] in texts for section in sections), sections)
    longest = max(len(section["content"]) for point in points for section in point["metadata"]["template"]["sections"])
    expect(len(found.trials) == len(points), f"{len(found.trials)} trial rows")
    return f"{len(points)} points, longest prompt {longest} characters, none cut"


@check("table: the public script's aggregate table has no empty column")
def aggregate_table(context: Context) -> str:
    rows = []
    for task in OVERRIDES:
        found = queued(context, task)
        rows.append(
            aggregate.row_of(task, found.job, found.trials, found.config, found.backend_job)
        )
    shown = aggregate.table(rows)
    print(shown, flush=True)
    expect(aggregate.MISSING not in shown, "a column is N/A")
    heart = rows[0]
    equal("Policy Model", heart.policy_model, "override", OVERRIDDEN_MODEL)
    stats = queued(context, "heartdisease").backend_job["metadata"]["stats"]
    equal("Rollouts", heart.rollouts, "stats", stats["total_rollouts"])
    equal("Tokens", heart.tokens, "stats", stats["total_tokens"])
    equal("Eval N", heart.eval_n, "stats", stats["eval_n"])
    equal("Candidate 1", heart.candidate, "result", queued(context, "heartdisease").result["best_score"])
    expect(heart.lift is not None and heart.lift >= 0, f"lift {heart.lift}")
    return f"{len(rows)} rows, TOTAL {sum(row.trials or 0 for row in rows)} trials"


@check("table: the functions of the package's own script find every column")
def packaged_table(context: Context) -> str:
    """`extract_results_from_events` of run_gepa_parallel.py, unmodified."""
    import examples

    path = Path(str(examples.__path__[0])) / "blog_posts/langprobe/comparisons/run_gepa_parallel.py"
    spec = importlib.util.spec_from_file_location("run_gepa_parallel", path)
    expect(spec is not None and spec.loader is not None, path)
    script = importlib.util.module_from_spec(spec)
    shown = []
    with redirect_stdout(io.StringIO()):
        spec.loader.exec_module(script)
        for task in OVERRIDES:
            found = queued(context, task)
            details = script.extract_results_from_events(
                found.job["backend_job_id"],
                backend_base=f"{context.world.backend.url}/api",
                api_key=context.world.environment()["SYNTH_API_KEY"],
            )
            shown.append((task, details))
    for task, details in shown:
        empty = [name for name, value in details.items() if value is None or value == 0]
        # A rulebook costs nothing where the table of prices does not know its model.
        expect(not set(empty) - {"total_cost", "candidate1_lift", "baseline_score"}, f"{task}: {details}")
        stats = queued(context, task).backend_job["metadata"]["stats"]
        equal(f"{task} rollouts", details["total_rollouts"], "stats", stats["total_rollouts"])
        equal(f"{task} trials", details["trials_tried"], "stats", stats["trials_tried"])
        equal(f"{task} Eval N", details["eval_seeds_n"], "stats", stats["eval_n"])
    equal("policy_model", shown[0][1]["policy_model"], "override", OVERRIDDEN_MODEL)
    return str(shown[0][1])
