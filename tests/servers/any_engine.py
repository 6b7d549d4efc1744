"""Two engines on one store: each answers for the jobs of the other, within roles and quotas.

Usage: postgres.sh with python3 any_engine.py GEPA
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Callable

import world
from engines_die import JOBS, SERVER_KEY, Engine

KEYS = """
[[keys]]
name = "reader"
sha256 = "{reader}"
role = "read"

[[keys]]
name = "alice"
sha256 = "{alice}"
role = "submit"
tenant = "alice"

[[keys]]
name = "bob"
sha256 = "{bob}"
role = "submit"
tenant = "bob"

[tenants.alice]
max_running = 1

[tenants.bob]
rollouts_per_day = {quota}
"""


def write_keys(path: Path, quota: int, bob: str = "bob-key") -> None:
    digest = lambda key: hashlib.sha256(key.encode()).hexdigest()
    path.write_text(KEYS.format(reader=digest("reader-key"), alice=digest("alice-key"), bob=digest(bob), quota=quota))


class Client:
    def __init__(self, engine: Engine, key: str = SERVER_KEY) -> None:
        self._engine = engine
        self._key = key

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        request = urllib.request.Request(
            self._engine.address + path,
            None if body is None else json.dumps(body).encode(),
            {"authorization": f"Bearer {self._key}", "content-type": "application/json"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                return reply.status, json.load(reply)
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"{}")

    def submit(self, app: str, budget: int, priority: int = 0) -> str:
        status, body = self.ask("POST", JOBS, {**world.submission(app, budget, 1), "priority": priority})
        expect("a submission", status, 201)
        return str(body["job_id"])

    def detail(self, job: str) -> Any:
        return self.ask("GET", f"{JOBS}/{job}")[1]

    def until(self, what: str, job: str, holds: Callable[[Any], bool], seconds: float = 40) -> Any:
        end = time.monotonic() + seconds
        while True:
            detail = self.detail(job)
            if holds(detail):
                return detail
            if time.monotonic() > end:
                raise SystemExit(f"not within {seconds} s: {what}; last seen: {detail['status']}, waiting for {detail.get('waiting_for')}")
            time.sleep(0.1)


passed = 0


def expect(what: str, found: Any, expected: Any) -> None:
    global passed
    if found != expected:
        raise SystemExit(f"{what}: {found!r}, expected {expected!r}")
    passed += 1


def status(wanted: str) -> Callable[[Any], bool]:
    return lambda detail: detail["status"] == wanted


def main() -> None:
    gepa = os.path.abspath(sys.argv[1])
    ledger = world.Ledger()
    app = world.serve(world.App, ledger)
    provider = world.serve(world.Provider, ledger, 0.3)
    environment = {
        "PATH": os.environ["PATH"],
        "GEPA_PROVIDER_BASE_URL": f"{provider}/v1",
        "GROQ_API_KEY": "provider-key",
        "ENVIRONMENT_API_KEY": world.KEY,
        "GEPA_API_KEY": SERVER_KEY,
    }
    keyless = {name: value for name, value in environment.items() if name not in ("GROQ_API_KEY", "GEPA_PROVIDER_BASE_URL")}
    with tempfile.TemporaryDirectory() as folder:
        keys = Path(folder) / "keys.toml"
        write_keys(keys, 10_000)
        schema = f"any_{os.getpid()}"
        urls = [f"{os.environ[name]}?schema={schema}" for name in ("GEPA_TEST_POSTGRES", "GEPA_TEST_PGBOUNCER")]
        engines = [Engine(gepa, url, environment, folder, ["--keys", str(keys)]) for url in urls]
        try:
            commands(engines, app, gepa, urls[0])
            roles(engines, app, keys)
            missing_key(engines, gepa, urls[0], keyless, folder, app)
        finally:
            for engine in engines:
                engine.kill()
    print(f"{passed} passed, 0 failed")


def hints_in(gepa: str, url: str, job: str) -> list[str]:
    """The hints in the journal of a job. The engine that was asked does not wait for the other one's."""
    given: list[str] = []
    end = time.monotonic() + 10
    while len(given) < 2 and time.monotonic() < end:
        command = [gepa, "export", job, "--what", "events", "--store", url]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        events = [json.loads(line) for line in printed.splitlines()]
        given = sorted(event["body"]["text"] for event in events if event["kind"] == "hint_given")
    return given


def commands(engines: list[Engine], app: str, gepa: str, url: str) -> None:
    """Whichever engine works on a job, both steer it and show its events."""
    for engine in engines:
        job = Client(engine).submit(app, 400)
        for client in map(Client, engines):
            client.until("the job runs", job, status("running"))
            expect("pausing", client.ask("POST", f"{JOBS}/{job}/pause")[1].get("status"), "paused")
            expect("resuming", client.ask("POST", f"{JOBS}/{job}/resume")[1].get("status"), "running")
            hint = {"act": "hint", "text": f"by {client._engine.address}", "who": "a person"}
            expect("a hint", client.ask("POST", f"/api/runs/{job}/steering", hint)[0], 200)
        given = hints_in(gepa, url, job)
        expect("the hints in the journal", given, sorted(f"by {engine.address}" for engine in engines))
        events = [client.ask("GET", f"{JOBS}/{job}/events?limit=5")[1]["events"] for client in map(Client, engines)]
        expect("the first events on both engines", events[0], events[1])
        for client in map(Client, engines):
            expect("a live stream", live_events(client._engine, job) > 0, True)
        # The job may have ended by now.
        job = Client(engine).submit(app, 400)
        Client(engines[1]).until("the next job runs", job, status("running"))
        expect("cancelling", Client(engines[1]).ask("POST", f"{JOBS}/{job}/cancel")[1].get("status"), "cancelled")
        expect("its status elsewhere", Client(engines[0]).detail(job)["status"], "cancelled")


def live_events(engine: Engine, job: str) -> int:
    """Events that arrive on a stream within 1.5 seconds, after those that were there."""
    newest = Client(engine).ask("GET", f"{JOBS}/{job}/events?limit=5000")[1]["events"][-1]["seq"]
    request = urllib.request.Request(
        f"{engine.address}{JOBS}/{job}/events/stream?since_seq={newest}",
        headers={"authorization": f"Bearer {SERVER_KEY}", "accept": "text/event-stream"},
    )
    arrived = 0
    end = time.monotonic() + 20
    with urllib.request.urlopen(request, timeout=20) as stream:
        while arrived < 4 and time.monotonic() < end:
            arrived += stream.readline().startswith(b"data:")
    return arrived - 1


def metric(engine: Engine, name: str) -> float:
    """A gauge on the page of metrics."""
    request = urllib.request.Request(f"{engine.address}/metrics", headers={"authorization": f"Bearer {SERVER_KEY}"})
    with urllib.request.urlopen(request, timeout=30) as reply:
        lines = reply.read().decode().splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith(f"{name} "))


def roles(engines: list[Engine], app: str, keys: Path) -> None:
    reader, alice, bob = (Client(engines[0], f"{name}-key") for name in ("reader", "alice", "bob"))
    expect("a reader reads", reader.ask("GET", JOBS)[0], 200)
    expect("a reader submits", reader.ask("POST", JOBS, world.submission(app, 60, 1))[0], 403)
    expect("a wrong key", Client(engines[1], "wrong").ask("GET", JOBS)[0], 401)
    expect("a priority out of range", alice.ask("POST", JOBS, {**world.submission(app, 60, 1), "priority": 101})[0], 422)

    # Alice may run one job at once, on both engines together.
    first = alice.submit(app, 150)
    alice.until("the first job runs", first, status("running"))
    low, high = alice.submit(app, 60), alice.submit(app, 60, priority=5)
    expect("another tenant's job", bob.ask("POST", f"{JOBS}/{first}/cancel")[0], 403)
    time.sleep(1.5)
    shown = [metric(engine, "gepa_jobs_waiting") for engine in engines]
    expect("the waiting jobs that each engine shows", shown, [2.0, 2.0])
    expect("the oldest has waited", 1.0 < metric(engines[0], "gepa_jobs_oldest_wait_seconds") < 30.0, True)
    expect("jobs beyond the quota", [alice.detail(job)["status"] for job in (low, high)], ["queued", "queued"])
    alice.until("the first job ends", first, status("succeeded"))
    ended = alice.until("the job of a greater priority ends", high, status("succeeded"))
    started = alice.until("the last job ends", low, status("succeeded"))
    expect("the greater priority went first", ended["created_at"] > "" and ended["finished_at"] <= started["finished_at"], True)

    # A branch counts for the tenant of its origin.
    begun, branch = alice.ask("POST", f"/api/runs/{first}/branch", {"overrides": {"budget.max_rollouts": 200}})
    expect("branching", begun, 201)
    expect("another tenant's branch", bob.ask("POST", f"{JOBS}/{branch['run_id']}/cancel")[0], 403)
    expect("another tenant branches", bob.ask("POST", f"/api/runs/{first}/branch", {})[0], 403)
    expect("a reader steers", reader.ask("POST", f"/api/runs/{first}/steering", {"act": "stop"})[0], 403)
    alice.until("the branch ends", branch["run_id"], status("succeeded"))

    # Bob has used up his day; the file is changed while the engines run.
    job = bob.submit(app, 60)
    bob.until("bob's job ends", job, status("succeeded"))
    write_keys(keys, 10, bob="new-bob-key")
    time.sleep(2.5)
    expect("the key before", bob.ask("GET", JOBS)[0], 401)
    bob = Client(engines[1], "new-bob-key")
    waiting = bob.submit(app, 60)
    time.sleep(2.5)
    expect("a job beyond the day's quota", bob.detail(waiting)["status"], "queued")
    expect("cancelling a waiting job", bob.ask("POST", f"{JOBS}/{waiting}/cancel")[1].get("status"), "cancelled")


def missing_key(engines: list[Engine], gepa: str, url: str, keyless: dict[str, str], folder: str, app: str) -> None:
    """A job waits for an engine that has its key, and says so."""
    job = Client(engines[0]).submit(app, 2_000)
    Client(engines[0]).until("the job runs", job, status("running"))
    engines.append(Engine(gepa, url, keyless, folder))
    for engine in engines[:2]:
        engine.kill()
    client = Client(engines[2])
    detail = client.until("the job says what it waits for", job, lambda detail: "GROQ_API_KEY" in str(detail.get("waiting_for")))
    expect("a job that waits for a key is not over", detail["status"] in ("failed", "succeeded", "cancelled"), False)
    engines[0].start()
    before = client.detail(job)["metadata"]["stats"]["total_rollouts"]
    client.until("another engine goes on", job, lambda detail: detail["metadata"]["stats"]["total_rollouts"] > before)
    client.ask("POST", f"{JOBS}/{job}/cancel")
    client.until("it is cancelled", job, status("cancelled"))


if __name__ == "__main__":
    main()
