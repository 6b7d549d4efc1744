"""Seed parity: with the seed candidate the model gets what the real app sends by itself."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

import httpx

from checks import Context, check, expect
from submissions import body_of, finished
from world import APP_KEY

Json = Any
TASKS = ("heartdisease", "iris", "banking77", "banking77_pipeline")
COMPARED = 8


def written(call: Mapping[str, Json]) -> str:
    """What is compared of a call: its messages as they were written, and the model's settings."""
    kept = {name: call[name] for name in ("messages", "model", "temperature", "has_tools")}
    return json.dumps(kept, ensure_ascii=False)


def calls_since(context: Context, first: int) -> list[dict[str, Json]]:
    ledger = context.world.model_server.ledger(calls=10_000)
    return [call for call in ledger["last_calls"] if call["index"] >= first]


def run_alone(context: Context, task: str, request: Mapping[str, Json]) -> list[str]:
    """The calls of one rollout in which the app calls the model without anything in between."""
    alone = copy.deepcopy(dict(request))
    alone["policy"]["config"]["inference_url"] = context.world.model_server.base_url
    first = int(context.world.model_server.ledger()["calls"])
    reply = httpx.post(
        f"{context.world.apps[task]}/rollout",
        json=alone,
        headers={"X-API-Key": APP_KEY},
        timeout=60,
    )
    expect(reply.status_code == 200, f"{task} alone: {reply.status_code} {reply.text[:300]}")
    return [written(call) for call in calls_since(context, first)]


def parity(context: Context, task: str) -> str:
    proxy = context.world.proxies[task]
    proxy.forget()
    first = int(context.world.model_server.ledger()["calls"])
    detail = finished(context, body_of(context, task))
    expect(detail["status"] == "succeeded", f"{detail['status']}: {detail.get('error')}")
    engine = {written(call) for call in calls_since(context, first) if call["has_tools"]}
    # The seed runs on every training seed before anything else.
    requests: dict[int, Mapping[str, Json]] = {}
    for rollout in proxy.rollouts:
        requests.setdefault(rollout.request["env"]["seed"], rollout.request)
    compared = 0
    for seed in sorted(requests)[:COMPARED]:
        for call in run_alone(context, task, requests[seed]):
            expect(
                call in engine,
                f"seed {seed}: alone the app sends {call[:1500]}, which never came through gepa",
            )
            compared += 1
    expect(compared >= COMPARED, f"only {compared} calls were compared")
    return f"{compared} calls of {min(len(requests), COMPARED)} examples are equal"


for _task in TASKS:
    check(f"parity: with the seed {_task} sends the model the same through gepa and alone")(
        lambda context, task=_task: parity(context, task)
    )
