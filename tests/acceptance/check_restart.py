"""The server is ended in mid-job and started again: the job goes on and nothing paid is lost."""

from __future__ import annotations

import time
from typing import Any

from checks import Context, check, equal, expect
from submissions import body_of, submitted

Json = Any
BUDGET = 160
CONCURRENT = 5


def interrupted(context: Context, kill: bool) -> str:
    """Runs a job through a restart and compares all accounts afterwards."""
    world, proxy = context.world, context.world.proxies["heartdisease"]
    proxy.forget()
    world.model_server.behave(latency_ms=120)
    before = world.model_server.ledger()
    body = body_of(context)
    body["prompt_learning"]["gepa"]["rollout"]["budget"] = BUDGET
    try:
        job_id = submitted(context, body)
        done_before = rollouts_after(context, job_id, 40)
        expect(world.backend.process is not None, "the server does not run")
        if kill:
            world.backend.process.kill()
            how = "kill -9"
        else:
            how = f"SIGTERM (exit {world.backend.process.terminate()})"
        kept = [rollout for rollout in proxy.rollouts if rollout.response]
        world.backend.start()
        detail = world.backend.wait_for(job_id, 120)
        # Calls that were cut off may still be answered.
        time.sleep(0.5)
    finally:
        world.model_server.behave()
    expect(detail["status"] == "succeeded", f"{detail['status']}: {detail.get('error')}")
    after = world.model_server.ledger()
    stats = detail["metadata"]["stats"]
    rows = world.backend.rows(job_id, "rollouts")
    expect(stats["total_rollouts"] <= BUDGET, f"{stats['total_rollouts']} rollouts of {BUDGET}")
    equal("rollout rows", len(rows), "total_rollouts", stats["total_rollouts"])
    bought_twice = len(proxy.rollouts) - stats["total_rollouts"]
    text = (
        f"{how} after {done_before} rollouts; {stats['total_rollouts']} in the end, "
        f"{bought_twice} of {len(proxy.rollouts)} at the app were cut off and repeated"
    )
    expect(0 <= bought_twice <= CONCURRENT, text)
    lost = after["total_tokens"] - before["total_tokens"] - stats["total_tokens"]
    per_call = max(row["tokens"] for row in rows)
    expect(0 <= lost <= CONCURRENT * per_call * 2, f"{text}; {lost} tokens of the ledger are missing")
    expect(len(kept) >= done_before, f"{len(kept)} answered, {done_before} recorded")
    artifacts = world.backend.job(job_id, "/artifacts")
    for artifact in artifacts:
        world.backend.job(job_id, f"/snapshots/{artifact['snapshot_id']}")
    return f"{text}; {lost} tokens in calls cut off; {len(artifacts)} artifacts served"


def rollouts_after(context: Context, job_id: str, wanted: int) -> int:
    """Waits until at least this many rollouts are recorded, and returns their number."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        detail = context.world.backend.job(job_id)
        done = int(detail["metadata"]["stats"]["total_rollouts"])
        expect(detail["status"] in ("queued", "running"), f"{detail['status']}: {detail.get('error')}")
        if done >= wanted:
            return done
        time.sleep(0.05)
    raise AssertionError(f"{job_id} did not reach {wanted} rollouts in time")


@check("restart: a job survives kill -9 of the server")
def survives_kill(context: Context) -> str:
    return interrupted(context, kill=True)


@check("restart: a job survives SIGTERM of the server")
def survives_terminate(context: Context) -> str:
    return interrupted(context, kill=False)
