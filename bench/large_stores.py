#!/usr/bin/env python3
"""How the cost of listing, showing and exporting grows with the runs of a database, and with the rollouts of one
run.

    cargo build --release -p gepa-cli
    bash tests/servers/postgres.sh with python3 bench/large_stores.py target/release/gepa [RUNS] [ROLLOUTS] [BEFORE]

BEFORE is another build of the program, which is measured beside. With 0 rollouts the long run is left out.

One small run is made by `gepa run`. Then the database copies its rows, 10 000 times by default, each with an id of
its own; and one more copy gets 1 000 000 rollouts, whose rows and events are copies of those of the small run. The
journal of that one can be read and exported, and not replayed. Every command is run three times as a new process,
and the fastest time counts; once if it takes longer than 10 s. The first line is the size of the database.
"""

from __future__ import annotations

import glob
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

SCHEMA = "large"
TABLES = ["runs", "claims", "events", "candidates", "trials", "rollouts", "reflections", "snapshots"]
STEPS = [10, 100, 1_000, 10_000]


class Database:
    def __init__(self, server: str) -> None:
        psql = (glob.glob("/usr/lib/postgresql/*/bin/psql") or ["psql"])[0]
        self._command = [psql, server, "-X", "-At", "-q", "-v", "ON_ERROR_STOP=1"]

    def ask(self, sql: str) -> str:
        command = [*self._command, "-c", f"SET search_path = {SCHEMA}", "-c", sql]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{sql}\n{done.stderr}")
        return done.stdout.strip()

    def columns(self, table: str) -> list[str]:
        """The columns that a copy takes over; identities are given anew."""
        found = self.ask(
            "SELECT column_name FROM information_schema.columns WHERE "
            f"table_schema = '{SCHEMA}' AND table_name = '{table}' AND is_identity = 'NO' ORDER BY ordinal_position"
        )
        return found.split()

    def copy_run(self, source: str, first: int, last: int) -> None:
        """Copies all rows of a run under the ids of these numbers."""
        for table in TABLES:
            columns = self.columns(table)
            values = [f"'pl_' || lpad(to_hex(n), 16, '0')" if one == "run_id" else f"t.{one}" for one in columns]
            self.ask(
                f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(values)} "
                f"FROM generate_series({first}, {last}) n, {table} t WHERE t.run_id = '{source}' "
                + ("ORDER BY n, t.id" if "id" in self.ask_identity(table) else "")
            )

    def ask_identity(self, table: str) -> list[str]:
        return self.ask(
            "SELECT column_name FROM information_schema.columns WHERE "
            f"table_schema = '{SCHEMA}' AND table_name = '{table}' AND is_identity = 'YES'"
        ).split()

    def lengthen(self, source: str, run: str, rollouts: int) -> None:
        """Gives a run this many more rollouts and events, which follow those that it has."""
        last = int(self.ask(f"SELECT max(seq) FROM events WHERE run_id = '{run}'"))
        for table, condition in [("rollouts", "true"), ("events", "t.kind = 'rollout_settled'")]:
            columns = self.columns(table)
            changed = {
                "run_id": f"'{run}'",
                "seq": f"{last} + row_number() OVER (ORDER BY n, t.seq)",
                "iteration": "1000 + n",
            }
            values = [changed.get(one, f"t.{one}") for one in columns]
            self.ask(
                f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(values)} FROM {table} t, "
                f"generate_series(1, 1 + {rollouts} / (SELECT count(*) FROM rollouts WHERE run_id = '{source}')) n "
                f"WHERE t.run_id = '{source}' AND {condition} ORDER BY n, t.seq LIMIT {rollouts}"
            )

    def size(self) -> str:
        return self.ask("SELECT pg_size_pretty(pg_database_size(current_database()))")


class Gepa:
    def __init__(self, program: Path, store: str, folder: str) -> None:
        self._program, self._store, self._folder = program, store, folder

    def run(self, *arguments: str) -> str:
        command = [self._program, *arguments, "--store", self._store]
        done = subprocess.run(command, cwd=self._folder, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{' '.join(map(str, command))}:\n{done.stderr[-2000:]}")
        return done.stdout

    @contextmanager
    def serving(self) -> Iterator[str]:
        """The address of `gepa serve` on the store."""
        command = [self._program, "serve", "--listen", "127.0.0.1:0", "--store", self._store]
        process = subprocess.Popen(command, cwd=self._folder, stderr=subprocess.PIPE, text=True)
        try:
            assert process.stderr
            line = process.stderr.readline()
            if "listening on " not in line:
                sys.exit(f"the server did not start: {line}")
            yield line.split("listening on ")[1].strip()
        finally:
            process.terminate()
            process.wait()

    def measure(self, *arguments: str) -> str:
        """The fastest of three times, the bytes printed, and the memory of the process."""
        command = [str(self._program), *arguments, "--store", self._store]
        best, printed, memory = float("inf"), 0, 0
        for _ in range(3):
            begun = time.monotonic()
            with tempfile.TemporaryFile() as out:
                pid = os.posix_spawn(
                    command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, out.fileno(), 1)]
                )
                _, status, usage = os.wait4(pid, 0)
                if status != 0:
                    sys.exit(f"{' '.join(command)} failed")
                last = time.monotonic() - begun
                best = min(best, last)
                printed, memory = out.tell(), usage.ru_maxrss
            if last > 10.0:
                break
        return f"{best:.2f} s, {printed / 1e6:.1f} MB out, {memory / 1024:.0f} MB of memory"


SWEEP = """
config = "CONFIG"
seeds = [1, 2]
[budget]
max_rollouts = 4000
[[list]]
"dataset.split.train.count" = 11
"""


def among_all(gepa: Gepa, config: Path, folder: str) -> None:
    """What looks for a few runs among all, from commands and over HTTP."""
    sweep = Path(folder) / "sweep.toml"
    sweep.write_text(SWEEP.replace("CONFIG", str(config)))
    rows = [
        ("`gepa runs prune --older 520w --dry-run`", gepa.measure("runs", "prune", "--older", "520w", "--dry-run")),
        ("`gepa runs --status failed`", gepa.measure("runs", "--status", "failed")),
        ("`gepa runs --search nothing`", gepa.measure("runs", "--search", "nothing")),
        ("`gepa sweep --plan`, of which no run is there", gepa.measure("sweep", str(sweep), "--plan")),
    ]
    with gepa.serving() as address:
        for name, path in [
            ("`GET /jobs?status=failed&limit=20`", "/api/prompt-learning/online/jobs?status=failed&limit=20"),
            ("`GET /jobs?status=succeeded&limit=20`", "/api/prompt-learning/online/jobs?status=succeeded&limit=20"),
            ("`GET /api/runs?limit=500`, as the page asks", "/api/runs?archived=false&limit=500"),
            ("`GET /api/runs?q=nothing&limit=500`", "/api/runs?q=nothing&limit=500"),
        ]:
            best, size = float("inf"), 0
            for _ in range(3):
                begun = time.monotonic()
                with urllib.request.urlopen(address + path) as reply:
                    size = len(reply.read())
                best = min(best, time.monotonic() - begun)
            rows.append((name, f"{best:.2f} s, {size / 1e6:.2f} MB out"))
    for name, figures in rows:
        print(f"| {name} | {figures} |", flush=True)


def main() -> None:
    program = Path(sys.argv[1]).resolve()
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
    rollouts = int(sys.argv[3]) if len(sys.argv) > 3 else 1_000_000
    before = Path(sys.argv[4]).resolve() if len(sys.argv) > 4 else None
    server = os.environ["GEPA_TEST_POSTGRES"]
    config = Path(__file__).resolve().parents[1] / "configs" / "heart_disease.toml"
    database = Database(server)
    with tempfile.TemporaryDirectory() as folder:
        gepa = Gepa(program, f"{server}?schema={SCHEMA}", folder)
        small = ["budget.max_rollouts=90", "dataset.split.train.count=10", "dataset.split.pareto.count=8"]
        settings = [f"--set={one}" for one in [*small, "dataset.split.validation.count=6"]]
        source = gepa.run("run", str(config), *settings).splitlines()[0]
        print("| runs | database | `gepa runs --last 20` | `gepa show ID` by its first digits | `gepa show latest` |")
        print("|---|---|---|---|---|")
        there = 1
        for step in [one for one in STEPS if one <= runs]:
            database.copy_run(source, there, step - 1)
            there = step
            database.ask("VACUUM ANALYZE")
            if before is not None:
                earlier = Gepa(before, f"{server}?schema={SCHEMA}", folder)
                print(f"before: {earlier.measure('runs', '--last', '20')}", flush=True)
            print(
                f"| {step} | {database.size()} | {gepa.measure('runs', '--last', '20')} "
                f"| {gepa.measure('show', source[:-4])} | {gepa.measure('show', 'latest')} |",
                flush=True,
            )
        for name, build in [("before", before), ("now", program)]:
            if build is None:
                continue
            print(f"\n{name}, among {there} runs, load {os.getloadavg()[0]:.1f}\n\n| looked for | time |\n|---|---|")
            among_all(Gepa(build, f"{server}?schema={SCHEMA}", folder), config, folder)
        if rollouts == 0:
            return
        print("\n| rollouts of the run | database | `gepa show ID` | `export --what rollouts` | `export --what events` | `export --what stats` |")
        print("|---|---|---|---|---|---|")
        for step, count in enumerate([rollouts // 100, rollouts // 10, rollouts]):
            number = runs + 1 + step
            database.copy_run(source, number, number)
            run = f"pl_{number:016x}"
            database.lengthen(source, run, count)
            database.ask("VACUUM ANALYZE")
            exports = [gepa.measure("export", run, "--what", what) for what in ["rollouts", "events", "stats"]]
            print(f"| {count} | {database.size()} | {gepa.measure('show', run)} | {' | '.join(exports)} |", flush=True)


if __name__ == "__main__":
    main()
