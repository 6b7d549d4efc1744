"""Jobs submitted straight over HTTP, in shapes the client itself would not send."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import configs
from checks import Context
from world import APP_KEY

Json = Any
JOBS = "/api/prompt-learning/online/jobs"


def body_of(context: Context, task: str = "heartdisease") -> dict[str, Json]:
    """The genuine config as a body, made small enough to run in seconds."""
    world = context.world
    tree = configs.read(configs.genuine(task))
    table = copy.deepcopy(tree["prompt_learning"])
    table["task_app_url"] = world.proxies[task].url
    table["task_app_api_key"] = APP_KEY
    table.pop("env_file_path", None)
    table["gepa"]["evaluation"] = {
        "train_seeds": list(range(12)),
        "val_seeds": list(range(30, 37)),
        "validation_top_k": 1,
    }
    table["gepa"]["rollout"] = {"budget": 80, "max_concurrent": 5, "minibatch_size": 3}
    return {"prompt_learning": table}


def post(
    context: Context, body: Mapping[str, Json], overrides: Mapping[str, Json] | None = None
) -> tuple[int, Json]:
    """Submits; the status and the answer."""
    reply = context.world.backend.post(
        JOBS,
        {
            "algorithm": "gepa",
            "config_body": body,
            "overrides": dict(overrides or {}),
            "metadata": {},
            "auto_start": True,
        },
    )
    return reply.status_code, reply.json()


def submitted(
    context: Context, body: Mapping[str, Json], overrides: Mapping[str, Json] | None = None
) -> str:
    """Submits, and the job's id."""
    status, answer = post(context, body, overrides)
    if status not in (200, 201):
        raise AssertionError(f"{status} {answer}")
    return str(answer["job_id"])


def finished(
    context: Context,
    body: Mapping[str, Json],
    overrides: Mapping[str, Json] | None = None,
    seconds: float = 60,
) -> dict[str, Json]:
    """Submits and waits: the job's detail in its final state."""
    return dict(context.world.backend.wait_for(submitted(context, body, overrides), seconds))
