"""Things that go wrong in the app or at the provider: the job waits, or fails with the reason, and
no zero is recorded for a failure."""

from __future__ import annotations

import time
from typing import Any

from app_proxy import Behaviour
from checks import Context, check, equal, expect
from submissions import body_of, finished, submitted
from world import PROVIDER_KEY

Json = Any


def failures_are_no_zeros(context: Context, job_id: str) -> tuple[int, int]:
    """Scored and failed rollout rows; raises where a failure has a score."""
    rows = context.world.backend.rows(job_id, "rollouts")
    scored = [row for row in rows if row["outcome"] == "scored"]
    failed = [row for row in rows if row["outcome"] != "scored"]
    for row in failed:
        expect(row["score"] is None and row["error"], row)
    return len(scored), len(failed)


def zeros_are_the_apps(context: Context, job_id: str) -> None:
    """Every recorded score is one the app gave in a rollout that went well there."""
    given = {
        (rollout.request["env"]["seed"], rollout.response["metrics"]["mean_return"])
        for rollout in context.world.proxies["heartdisease"].rollouts
        if rollout.response
    }
    for row in context.world.backend.rows(job_id, "rollouts"):
        if row["outcome"] == "scored":
            expect((int(row["seed"]), row["score"]) in given, row)


class Surroundings:
    """Puts faults in force for one check, and takes them back."""

    def __init__(self, context: Context, app: Behaviour | None = None, **model: object) -> None:
        self.context = context
        self.app = app
        self.model = model
        self.proxy = context.world.proxies["heartdisease"]

    def __enter__(self) -> Surroundings:
        self.proxy.forget()
        self.proxy.behave(self.app)
        self.context.world.model_server.behave(**self.model)
        return self

    def __exit__(self, *_: object) -> None:
        self.proxy.behave()
        self.context.world.model_server.behave()

    def recover(self) -> None:
        self.__exit__()


@check("faults: every fifth model call answers 429, and the job goes on without one zero for it")
def too_many_requests(context: Context) -> str:
    with Surroundings(context, fault={"status": 429, "retry_after": 0}, every=5):
        before = context.world.model_server.ledger()
        detail = finished(context, body_of(context), seconds=90)
        after = context.world.model_server.ledger()
        zeros_are_the_apps(context, detail["job_id"])
    expect(detail["status"] == "succeeded", detail.get("error"))
    scored, failed = failures_are_no_zeros(context, detail["job_id"])
    limited = after["by_status"]["429"] - before["by_status"].get("429", 0)
    expect(limited > 5, f"only {limited} calls were refused")
    stats = detail["metadata"]["stats"]
    change = after["total_tokens"] - before["total_tokens"]
    tokens = equal("total_tokens", stats["total_tokens"], "ledger", change)
    return f"{limited} refused calls, {scored} scored, {failed} failed; {tokens}"


@check("row 13: replies without usage are counted as unknown tokens")
def missing_usage(context: Context) -> str:
    with Surroundings(context, fault={"name": "missing_usage"}, every=3):
        detail = finished(context, body_of(context))
    expect(detail["status"] == "succeeded", detail.get("error"))
    stats = detail["metadata"]["stats"]
    unknown = stats["rollouts_unknown_tokens"]
    expect(unknown > 0, stats)
    rows = context.world.backend.rows(detail["job_id"], "rollouts")
    uncounted = [row for row in rows if row["outcome"] == "scored" and not row["tokens"]]
    expect(not uncounted, uncounted[:2])
    return f"rollouts_unknown_tokens {unknown}, every one of {len(rows)} rollouts has tokens"


@check("row 13: tokens count when the app fails after the model has answered; no zero is recorded")
def failing_after_inference(context: Context) -> str:
    with Surroundings(context, Behaviour(status_after=500, every=4)):
        before = context.world.model_server.ledger()["total_tokens"]
        detail = finished(context, body_of(context), seconds=90)
        change = context.world.model_server.ledger()["total_tokens"] - before
        zeros_are_the_apps(context, detail["job_id"])
    scored, failed = failures_are_no_zeros(context, detail["job_id"])
    stats = detail["metadata"]["stats"]
    tokens = equal("total_tokens", stats["total_tokens"], "ledger", change)
    rows = context.world.backend.rows(detail["job_id"], "rollouts")
    repeated = sum(row["attempts"] > 1 for row in rows)
    expect(failed + repeated > 0, "no rollout failed or was repeated")
    return f"{detail['status']}; {scored} scored, {failed} failed, {repeated} repeated; {tokens}"


@check("faults: an app that answers 500 to everything fails the job with the reason")
def app_broken(context: Context) -> str:
    with Surroundings(context, Behaviour(status_before=500)):
        detail = finished(context, body_of(context), seconds=90)
    scored, failed = failures_are_no_zeros(context, detail["job_id"])
    text = f"{detail['status']}: {detail['error']}; {scored} scored, {failed} failed"
    expect(detail["status"] == "failed" and scored == 0, text)
    expect("500" in detail["error"] and detail["best_score"] is None, text)
    return text


@check("faults: a slow app costs time and nothing else")
def app_slow(context: Context) -> str:
    with Surroundings(context, Behaviour(delay_seconds=2, every=10)):
        detail = finished(context, body_of(context), seconds=120)
        zeros_are_the_apps(context, detail["job_id"])
    scored, failed = failures_are_no_zeros(context, detail["job_id"])
    expect(detail["status"] == "succeeded" and failed == 0, f"{detail.get('error')}, {failed} failed")
    return f"succeeded, {scored} scored, {failed} failed"


@check("faults: an app that is down makes the job wait, and it goes on when the app is back")
def app_down(context: Context) -> str:
    with Surroundings(context) as surroundings:
        surroundings.proxy.refuse()
        try:
            job_id = submitted(context, body_of(context))
            waited = waits_for(context, job_id)
        finally:
            surroundings.proxy.accept()
        detail = context.world.backend.wait_for(job_id, 90)
        zeros_are_the_apps(context, job_id)
    scored, failed = failures_are_no_zeros(context, job_id)
    expect(detail["status"] == "succeeded", f"{detail['status']}: {detail.get('error')}")
    return f"waited for {waited}; then succeeded, {scored} scored, {failed} failed"


@check("faults: a provider that is down makes the job wait, and it goes on when it is back")
def provider_down(context: Context) -> str:
    with Surroundings(context, fault={"name": "down"}) as surroundings:
        job_id = submitted(context, body_of(context))
        said = while_down(context, job_id)
        surroundings.recover()
        detail = context.world.backend.wait_for(job_id, 120)
        zeros_are_the_apps(context, job_id)
    scored, failed = failures_are_no_zeros(context, job_id)
    expect(detail["status"] == "succeeded", f"{detail['status']}: {detail.get('error')}")
    return f"{said}; then succeeded, {scored} scored, {failed} failed"


def while_down(context: Context, job_id: str, seconds: float = 20) -> str:
    """What the job says over some time without a provider; nothing may be scored or given up."""
    deadline = time.monotonic() + seconds
    while True:
        detail = context.world.backend.job(job_id)
        scored, failed = failures_are_no_zeros(context, job_id)
        text = f"{detail['status']}, waits for {detail['waiting_for']}, {scored} scored, {failed} failed"
        expect(detail["status"] not in ("failed", "succeeded") and scored == 0, text)
        if time.monotonic() > deadline:
            return f"after {seconds:.0f} s {text}"
        time.sleep(0.5)


def waits_for(context: Context, job_id: str, seconds: float = 90) -> str:
    """What the job says it waits for; raises where it ends instead."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        detail = context.world.backend.job(job_id)
        waiting_for = str(detail.get("waiting_for"))
        if "down" in waiting_for or "outage" in waiting_for:
            return waiting_for
        expect(detail["status"] not in ("failed", "succeeded"), f"{detail['status']}: {detail.get('error')}")
        time.sleep(0.2)
    raise AssertionError(f"{job_id} does not say that it waits: {detail['status']}")


@check("faults: a key the provider refuses fails the job at once with that reason")
def provider_refuses_key(context: Context) -> str:
    with Surroundings(context, required_key="another-key"):
        before = context.world.model_server.ledger()["calls"]
        detail = finished(context, body_of(context), seconds=60)
        calls = context.world.model_server.ledger()["calls"] - before
    scored, failed = failures_are_no_zeros(context, detail["job_id"])
    text = f"{detail['status']} after {calls} calls: {detail['error']}; {scored} scored, {failed} failed"
    expect(detail["status"] == "failed" and scored == 0 and "401" in detail["error"], text)
    expect(calls <= 10, text)
    return text


@check("faults: with the right key required, every call is let through")
def provider_takes_key(context: Context) -> str:
    with Surroundings(context, required_key=PROVIDER_KEY):
        before = context.world.model_server.ledger()["by_status"].get("401", 0)
        detail = finished(context, body_of(context))
        after = context.world.model_server.ledger()["by_status"].get("401", 0)
    expect(detail["status"] == "succeeded", detail.get("error"))
    return equal("refused calls", after - before, "expected", 0)
