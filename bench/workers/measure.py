#!/usr/bin/env python3
"""Runs over a queue beside the same runs in one process, in one go: the speed-up with 1, 2, 4 and 8 workers
for an evaluator that takes 100 ms, what the queue costs per rollout, and the largest rate of one run.

    cargo build --release -p gepa-cli
    GEPA_NATS_SERVER=$(bash tests/servers/nats.sh) python3 bench/workers/measure.py target/release/gepa
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LATENCY_SECONDS = 0.1
SLOTS_PER_WORKER = 4
EVALUATOR = """
import json, sys, time
print(json.dumps({"protocol": 1}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    time.sleep(%f)
    print(json.dumps({"id": request["id"], "score": 0.5}), flush=True)
"""
CONFIG = """
[run]
seed = 1
max_concurrent = {slots}
[search]
evaluation = "full"
[components]
plan = "Work step by step."
[examples]
train = ["0..100"]
pareto = ["100..{end}"]
[evaluator]
kind = "process"
command = ["python3", "evaluator.py"]
processes = {processes}
[reflection_model]
provider = "rulebook"
model = "rulebook"
[budget]
max_iterations = 0
max_rollouts = 100000
"""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Bench:
    def __init__(self, gepa: Path, folder: Path, server: str) -> None:
        self.gepa, self.folder = gepa, folder
        port = free_port()
        self.queue = f"nats://127.0.0.1:{port}"
        command = [server, "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", str(folder / "nats")]
        self.server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        wait_for(port)

    def run(self, config: str, queued: bool, *settings: str) -> tuple[float, int]:
        """Seconds of work and rollouts of one run, as its statistics say."""
        command = [self.gepa, "run", config, "--log", "json"]
        queue = [f"workers.queue={self.queue}"] if queued else []
        for setting in [*queue, *settings]:
            command += ["--set", setting]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{' '.join(map(str, command))}:\n{done.stderr[-2000:]}")
        stats = json.loads(done.stdout.splitlines()[-1])
        return stats["total_time_seconds"], stats["total_rollouts"]

    def workers(self, config: str, number: int, slots: int, *settings: str) -> list[subprocess.Popen]:
        command = [self.gepa, "worker", "--evaluator", config, "--queue", self.queue]
        command += ["--slots", str(slots)]
        for setting in settings:
            command += ["--set", setting]
        started = []
        for _ in range(number):
            process = subprocess.Popen(command, cwd=self.folder, stderr=subprocess.PIPE, text=True)
            for line in process.stderr:
                if line.startswith("offering"):
                    break
            started.append(process)
        return started


def wait_for(port: int) -> None:
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.02)
    sys.exit("the NATS server does not start")


def end(workers: list[subprocess.Popen]) -> None:
    for worker in workers:
        worker.terminate()
    for worker in workers:
        worker.wait()


def speed_up(bench: Bench) -> None:
    print(f"{LATENCY_SECONDS * 1000:.0f} ms a rollout, {SLOTS_PER_WORKER} slots a worker")
    print("| workers | over the queue | in one process | queue / process | speed-up |")
    print("|---|---|---|---|---|")
    first = None
    for number in [1, 2, 4, 8]:
        slots = number * SLOTS_PER_WORKER
        end_of_set = 100 + 60 * slots
        text = CONFIG.format(slots=slots, end=end_of_set, processes=slots)
        (bench.folder / "sleep.toml").write_text(text)
        alone, rollouts = bench.run("sleep.toml", False)
        processes = f"evaluator.processes={SLOTS_PER_WORKER}"
        workers = bench.workers("sleep.toml", number, SLOTS_PER_WORKER, processes)
        queued, _ = bench.run("sleep.toml", True)
        end(workers)
        rate = rollouts / queued
        first = first or rate
        print(
            f"| {number} | {rate:.1f}/s | {rollouts / alone:.1f}/s | {alone / queued:.2f} "
            f"| {rate / first:.2f} |",
            flush=True,
        )


def overhead(bench: Bench, config: str) -> None:
    print("\nthe rulebook, which takes microseconds: what is left is the queue")
    print("| slots | in one process | over the queue, 1 worker | added per rollout | 2 workers |")
    print("|---|---|---|---|---|")
    for slots in [1, 16, 64]:
        settings = [f"run.max_concurrent={slots}", "run.schedule=free"]
        alone, rollouts = bench.run(config, False, *settings)
        workers = bench.workers(config, 1, slots)
        queued, _ = bench.run(config, True, *settings)
        workers += bench.workers(config, 1, slots)
        two, rollouts_of_two = bench.run(config, True, *settings)
        end(workers)
        added = (queued - alone) / rollouts * 1e6
        print(
            f"| {slots} | {rollouts / alone:.0f}/s | {rollouts / queued:.0f}/s | {added:.0f} us "
            f"| {rollouts_of_two / two:.0f}/s |",
            flush=True,
        )


def main() -> None:
    gepa = Path(sys.argv[1]).resolve()
    root = Path(__file__).resolve().parents[2]
    server = os.environ.get("GEPA_NATS_SERVER")
    if server is None:
        sys.exit("set GEPA_NATS_SERVER to the program that tests/servers/nats.sh installs")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "evaluator.py").write_text(EVALUATOR % LATENCY_SECONDS)
        bench = Bench(gepa, folder, server)
        try:
            speed_up(bench)
            overhead(bench, str(root / "configs" / "heart_disease.toml"))
        finally:
            bench.server.kill()
            bench.server.wait()


main()
