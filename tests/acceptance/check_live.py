"""Jobs while they run: two at once, followed by the event stream, paused, cancelled."""

from __future__ import annotations

import json
import time
from typing import Any

from checks import Context, check, equal, expect
from submissions import JOBS, body_of, submitted

Json = Any


@check("live: two jobs at once share the provider and nothing else")
def two_at_once(context: Context) -> str:
    world = context.world
    before = world.model_server.ledger()
    for task in ("heartdisease", "iris"):
        world.proxies[task].forget()
    ids = {task: submitted(context, body_of(context, task)) for task in ("heartdisease", "iris")}
    details = {task: world.backend.wait_for(job_id, 90) for task, job_id in ids.items()}
    total = 0
    for task, detail in details.items():
        expect(detail["status"] == "succeeded", f"{task}: {detail.get('error')}")
        stats = detail["metadata"]["stats"]
        at_app = len(world.proxies[task].rollouts)
        equal(f"{task} rollouts at its app", at_app, "total_rollouts", stats["total_rollouts"])
        equal("env_name", env_names(context, task), "task", {task})
        total += stats["total_tokens"]
    change = world.model_server.ledger()["total_tokens"] - before["total_tokens"]
    return equal("total_tokens of both", total, "ledger", change)


def env_names(context: Context, task: str) -> set[str]:
    rollouts = context.world.proxies[task].rollouts
    return {rollout.request["env"]["env_name"] for rollout in rollouts}


@check("live: the event stream follows a job to its end and replays from Last-Event-ID")
def stream_follows(context: Context) -> str:
    job_id = submitted(context, body_of(context))
    first = streamed(context, job_id, None)
    kinds = [event["type"] for event in first]
    expect(kinds[0] == "prompt.learning.stream.connected", kinds[:3])
    expect("prompt.learning.gepa.complete" in kinds[-2:], kinds[-4:])
    told = [event["seq"] for event in first[1:]]
    listed = [event["seq"] for event in context.world.backend.events(job_id)]
    expect(told == listed, f"streamed {told[:5]}..{told[-1]}, listed {listed[:5]}..{listed[-1]}")
    middle = told[len(told) // 2]
    again = [event["seq"] for event in streamed(context, job_id, middle)[1:]]
    expect(again == [seq for seq in told if seq > middle], f"after {middle}: {again[:5]}")
    return f"{len(told)} events, {len(again)} replayed after {middle}"


def streamed(context: Context, job_id: str, last: int | None) -> list[dict[str, Json]]:
    """The events of a stream until the server ends it."""
    headers = {} if last is None else {"Last-Event-ID": str(last)}
    path = f"{JOBS}/{job_id}/events/stream"
    events = []
    client = context.world.backend.client
    with client.stream("GET", path, headers=headers, timeout=90) as reply:
        expect(reply.status_code == 200, reply.status_code)
        for line in reply.iter_lines():
            if line.startswith("data:"):
                events.append(json.loads(line.removeprefix("data:")))
    return events


@check("live: a paused job starts nothing until it is resumed, a cancelled one ends")
def pause_and_cancel(context: Context) -> str:
    world = context.world
    proxy = world.proxies["heartdisease"]
    world.model_server.behave(latency_ms=150)
    try:
        job_id = submitted(context, body_of(context))
        rollouts_begun(context, job_id)
        expect(world.backend.post(f"{JOBS}/{job_id}/pause").status_code < 300, "pause is refused")
        world.backend.wait_for(job_id, 30, {"paused"})
        time.sleep(0.5)
        proxy.forget()
        time.sleep(1)
        begun_while_paused = len(proxy.rollouts)
        expect(begun_while_paused == 0, f"{begun_while_paused} rollouts while paused")
        expect(world.backend.post(f"{JOBS}/{job_id}/resume").status_code < 300, "resume is refused")
        world.backend.wait_for(job_id, 30, {"running"})
        expect(world.backend.post(f"{JOBS}/{job_id}/cancel").status_code < 300, "cancel is refused")
        detail = world.backend.wait_for(job_id, 30)
    finally:
        world.model_server.behave()
    expect(detail["status"] == "cancelled", detail["status"])
    return f"paused, resumed, cancelled after {detail['metadata']['stats']['total_rollouts']} rollouts"


def rollouts_begun(context: Context, job_id: str) -> None:
    deadline = time.monotonic() + 30
    while context.world.backend.job(job_id)["metadata"]["stats"]["total_rollouts"] == 0:
        expect(time.monotonic() < deadline, f"{job_id} starts no rollout")
        time.sleep(0.1)
