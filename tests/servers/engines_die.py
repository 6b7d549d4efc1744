"""Engines on one PostgreSQL store, and workers, that are killed at random while they work on jobs.

Usage: postgres.sh with python3 engines_die.py GEPA [--jobs N] [--engines N] [--seconds-between-kills S]
       [--workers N [--slots N] [--kill-queue]]

Needs GEPA_TEST_POSTGRES and GEPA_TEST_PGBOUNCER; the last engine goes through the pooler. With workers the
engines hand all rollouts to them through a NATS server (GEPA_NATS_SERVER), which is killed as well where
--kill-queue says so. Fails unless all jobs succeed, no rollout is settled twice, and the provider was called
as often as the journals say plus the calls that were in flight at a kill. Prints how long jobs of a killed
engine were without one.
"""

from __future__ import annotations

import argparse
import glob
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

import over_queue
import world

JOBS = "/api/prompt-learning/online/jobs"
SERVER_KEY = "server-key"
MAX_JOBS = 4
# Rollouts of a job at once, and one reflection.
IN_FLIGHT = MAX_JOBS * (4 + 1)


class Engine:
    """A `gepa serve` process."""

    def __init__(self, gepa: str, url: str, environment: dict[str, str], folder: str, more: list[str] | None = None) -> None:
        self._command = [gepa, "serve", "--listen", "127.0.0.1:0", "--store", url, "--max-jobs", str(MAX_JOBS)]
        self._command += more or []
        self._environment = environment
        self._folder = folder
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            self._command, env=self._environment, cwd=self._folder, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stderr
        line = self.process.stderr.readline()
        if "listening on " not in line:
            raise SystemExit(f"an engine did not start: {line}{self.process.stderr.read()}")
        self.address = line.split("listening on ")[1].strip()
        # Nothing more is read: what an engine says later is little, and fits the pipe.

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def ask(self, path: str, body: Any = None, method: str | None = None) -> Any:
        request = urllib.request.Request(
            self.address + path,
            None if body is None else json.dumps(body).encode(),
            {"authorization": f"Bearer {SERVER_KEY}", "content-type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=30) as reply:
            return json.load(reply)


class Database:
    def __init__(self, server: str, schema: str) -> None:
        psql = (glob.glob("/usr/lib/postgresql/*/bin/psql") or ["psql"])[0]
        self._command = [psql, server, "-X", "-At", "-q"]
        self._schema = schema

    def rows(self, sql: str) -> list[list[str]]:
        command = [*self._command, "-c", sql.replace("{s}", self._schema)]
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return [line.split("|") for line in out.splitlines()]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("gepa")
    parser.add_argument("--jobs", type=int, default=24)
    parser.add_argument("--engines", type=int, default=3)
    parser.add_argument("--seconds-between-kills", type=float, default=2.0)
    parser.add_argument("--budget", type=int, default=60)
    parser.add_argument("--latency", type=float, default=0.15)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--kill-queue", action="store_true")
    arguments = parser.parse_args()
    gepa = os.path.abspath(arguments.gepa)
    schema = f"crash_{os.getpid()}"
    direct = f"{os.environ['GEPA_TEST_POSTGRES']}?schema={schema}"
    pooled = f"{os.environ['GEPA_TEST_PGBOUNCER']}?schema={schema}"
    database = Database(os.environ["GEPA_TEST_POSTGRES"], schema)
    ledger = world.Ledger()
    app = world.serve(world.App, ledger)
    provider = world.serve(world.Provider, ledger, arguments.latency)
    environment = {
        "PATH": os.environ["PATH"],
        "GEPA_PROVIDER_BASE_URL": f"{provider}/v1",
        "GROQ_API_KEY": "provider-key",
        "ENVIRONMENT_API_KEY": world.KEY,
        "GEPA_API_KEY": SERVER_KEY,
    }
    draw = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        urls = [direct] * (arguments.engines - 1) + [pooled]
        queue = over_queue.Queue(folder) if arguments.workers else None
        more = ["--queue", queue.url] if queue else []
        engines = [Engine(gepa, url, environment, folder, more) for url in urls]
        workers: list[over_queue.Worker] = []
        if queue:
            config = over_queue.write_config(Path(folder) / "job.toml", app, arguments.budget)
            workers += [
                over_queue.Worker(gepa, queue.url, config, environment, arguments.slots) for _ in range(arguments.workers)
            ]
        others: list[Any] = [*workers, queue] if arguments.kill_queue else [*workers]
        try:
            jobs = [
                draw.choice(engines).ask(JOBS, world.submission(app, arguments.budget, seed))["job_id"]
                for seed in range(arguments.jobs)
            ]
            kills, gaps = work(arguments, engines, others, database, jobs, draw)
            failed = check(arguments, engines, database, ledger, jobs, kills, gaps)
        finally:
            for process in [*engines, *workers, *([queue] if queue else [])]:
                process.process.send_signal(signal.SIGKILL)
                process.process.wait()
        failed += doctor(gepa, direct, environment, folder)
    return 1 if failed else 0


def work(
    arguments: argparse.Namespace,
    engines: list[Engine],
    others: list[Any],
    database: Database,
    jobs: list[str],
    draw: random.Random,
) -> tuple[Counter[str], list[float]]:
    """Kills a process now and then until all jobs are over. The kills by kind, and the times for
    which jobs of killed engines had no living one."""
    begun = last = time.monotonic()
    kills: Counter[str] = Counter()
    gaps: list[float] = []
    orphans: dict[str, tuple[str, float]] = {}
    while True:
        found = {run: (token, live == "t", status) for run, token, live, status in database.rows(
            "SELECT c.run_id, c.token, c.until > clock_timestamp(), r.status FROM {s}.claims c JOIN {s}.runs r USING (run_id)"
        )}
        now = time.monotonic()
        for run, (token, since) in list(orphans.items()):
            if found[run][0] != token:
                gaps.append(now - since)
                del orphans[run]
        over = sum(status in ("succeeded", "failed", "cancelled") for _, _, status in found.values())
        if over == len(jobs):
            break
        if now - begun > 60 + 10 * len(jobs):
            raise SystemExit(f"only {over} of {len(jobs)} jobs are over after {now - begun:.0f} s")
        if now - last >= arguments.seconds_between_kills:
            last = now
            victim = draw.choice([*engines, *others])
            pid = victim.process.pid
            victim.kill()
            kills[type(victim).__name__.lower()] += 1
            if not isinstance(victim, Engine):
                victim.start()
                continue
            killed = time.monotonic()
            for run, token in database.rows(
                f"SELECT run_id, token FROM {{s}}.claims JOIN {{s}}.runs USING (run_id) WHERE owner LIKE 'process {pid} on %' "
                "AND until > clock_timestamp() AND status NOT IN ('succeeded', 'failed', 'cancelled')"
            ):
                orphans[run] = (token, killed)
            victim.start()
        time.sleep(0.1)
    killed_kinds = ", ".join(f"{count} of a {kind}" for kind, count in sorted(kills.items()))
    print(
        f"{len(jobs)} jobs over in {time.monotonic() - begun:.1f} s with {len(engines)} engines, {arguments.workers} "
        f"workers and {kills.total()} kills: {killed_kinds}"
    )
    return kills, sorted(gaps)


def check(
    arguments: argparse.Namespace,
    engines: list[Engine],
    database: Database,
    ledger: world.Ledger,
    jobs: list[str],
    kills: Counter[str],
    gaps: list[float],
) -> int:
    failed = 0
    # Any engine answers for any job.
    details = [engines[place % len(engines)].ask(f"{JOBS}/{job}") for place, job in enumerate(jobs)]
    states = Counter(detail["status"] for detail in details)
    print(f"states: {dict(states)}")
    failed += states["succeeded"] != len(jobs)
    twice = database.rows(
        "SELECT run_id, body::json ->> 'trial', body::json ->> 'position' FROM {s}.events "
        "WHERE kind = 'rollout_settled' AND coalesce(body::json ->> 'again', 'false') = 'false' "
        "GROUP BY 1, 2, 3 HAVING count(*) > 1"
    )
    print(f"rollouts settled twice: {len(twice)}")
    failed += len(twice) > 0
    rollouts, calls = (int(count) for count in database.rows("SELECT count(*), sum(calls) FROM {s}.rollouts")[0])
    reflections = int(database.rows("SELECT coalesce(sum(calls), 0) FROM {s}.reflections")[0][0])
    most = kills["engine"] * IN_FLIGHT + kills["worker"] * arguments.slots + kills["queue"] * IN_FLIGHT * len(engines)
    for name, answered, journaled in [
        ("rollouts at the app", sum(ledger.rollouts.values()), rollouts),
        ("rollout calls at the provider", ledger.rollout_calls, calls),
        ("reflection calls at the provider", ledger.reflection_calls, reflections),
    ]:
        lost = answered - journaled
        print(f"{name}: {answered}, in the journals {journaled}, in flight at {kills.total()} kills {lost} (at most {most})")
        failed += not 0 <= lost <= most
    if gaps:
        spread = Counter(int(gap) for gap in gaps)
        print("take-overs by seconds: " + ", ".join(f"{second} to {second + 1} s: {spread[second]}" for second in sorted(spread)))
        middle, high = gaps[len(gaps) // 2], gaps[int(0.9 * (len(gaps) - 1))]
        print(f"take-over of {len(gaps)} jobs: median {middle:.1f} s, 90 % {high:.1f} s, longest {gaps[-1]:.1f} s")
    return failed


def doctor(gepa: str, store: str, environment: dict[str, str], folder: str) -> int:
    checked = subprocess.run(
        [gepa, "doctor", "--store", store], env=environment, cwd=folder, capture_output=True, text=True
    )
    print(f"gepa doctor: {(checked.stdout.splitlines() or [checked.stderr])[-1]}")
    return checked.returncode != 0


if __name__ == "__main__":
    sys.exit(main())
