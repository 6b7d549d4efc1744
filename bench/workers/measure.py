#!/usr/bin/env python3
"""Runs over a queue beside the same runs in one process, in one go: the speed-up with 1, 2, 4 and 8 workers
for an evaluator that takes 100 ms, what the queue costs per rollout, and the largest rate of one run.

    cargo build --release -p gepa-cli
    GEPA_NATS_SERVER=$(bash tests/servers/nats.sh) python3 bench/workers/measure.py target/release/gepa [JSON]

With JSON the rates are written to that file, with the service times from which bench/scale/simulate.py computes them
again: the processor time of engine, worker and NATS server for a rollout, the share of the processor that other
programs left free, and the time of one rollout alone.
"""

import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

LATENCY_SECONDS = 0.1
SLOTS_PER_WORKER = 4
EVALUATOR = """
import json, sys, time
print(json.dumps({"protocol": 1}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    time.sleep(%f)
    print(json.dumps({"id": request["id"], "score": 1.0}), flush=True)
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
max_iterations = 1
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

    def steady(self) -> tuple[float, float]:
        """Of the newest run: the rate from a tenth to nine tenths of its rollouts, and the longest time of one."""
        command = [self.gepa, "export", "latest", "--what", "rollouts"]
        printed = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=True).stdout
        rows = [json.loads(line) for line in printed.splitlines()]
        time_of = lambda row, name: datetime.fromisoformat(row[name]).timestamp()
        ended = sorted(time_of(row, "finished_at") for row in rows)
        first, last = len(ended) // 10, len(ended) * 9 // 10
        longest = max(time_of(row, "finished_at") - time_of(row, "started_at") for row in rows)
        return (last - first) / (ended[last] - ended[first]), longest

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


def of_children() -> float:
    """Processor time of all child processes that have ended, with their children."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def of_process(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def free_share() -> float:
    """The part of the processor that other programs leave to as many busy processes as there are cores."""
    spin = "import time; end = time.time() + 2\nwhile time.time() < end: pass\nprint(time.process_time())"
    cores = range(os.cpu_count() or 1)
    busy = [subprocess.Popen([sys.executable, "-c", spin], stdout=subprocess.PIPE, text=True) for _ in cores]
    return min(1.0, sum(float(one.communicate()[0]) for one in busy) / (2 * len(busy)))


def speed_up(bench: Bench, measured: dict) -> None:
    print(f"{LATENCY_SECONDS * 1000:.0f} ms a rollout, {SLOTS_PER_WORKER} slots a worker")
    print("| workers | over the queue | in one process | queue / process | speed-up | middle 80 % | longest rollout |")
    print("|---|---|---|---|---|---|---|")
    first = None
    for number in [1, 2, 4, 8]:
        slots = number * SLOTS_PER_WORKER
        end_of_set = 100 + 60 * slots
        text = CONFIG.format(slots=slots, end=end_of_set, processes=slots)
        (bench.folder / "sleep.toml").write_text(text)
        alone, rollouts = bench.run("sleep.toml", False)
        processes = f"evaluator.processes={SLOTS_PER_WORKER}"
        shares = [free_share()]
        workers = bench.workers("sleep.toml", number, SLOTS_PER_WORKER, processes)
        times = [(of_children(), of_process(bench.server.pid))]
        queued, _ = bench.run("sleep.toml", True)
        times.append((of_children(), of_process(bench.server.pid)))
        end(workers)
        ended = of_children()
        shares.append(free_share())
        rate = rollouts / queued
        steady, longest = bench.steady()
        measured["rates"][str(number)] = steady
        # The largest number of workers counts: the start of a process is the smallest part of it.
        measured["share_of_processor"] = sum(shares) / 2
        measured["cpu_seconds"] = {
            "engine": (times[1][0] - times[0][0]) / rollouts,
            "nats": (times[1][1] - times[0][1]) / rollouts,
            "worker": (ended - times[1][0]) / rollouts,
        }
        first = first or rate
        print(
            f"| {number} | {rate:.1f}/s | {rollouts / alone:.1f}/s | {alone / queued:.2f} "
            f"| {rate / first:.2f} | {steady:.1f}/s | {longest:.1f} s |",
            flush=True,
        )


def keep(measured: dict) -> None:
    if len(sys.argv) > 2:
        Path(sys.argv[2]).write_text(json.dumps(measured, indent=1) + "\n")


def one_alone(bench: Bench) -> float:
    """Seconds of a rollout where nothing else runs."""
    (bench.folder / "one.toml").write_text(CONFIG.format(slots=1, end=160, processes=1))
    bench.run("one.toml", False)
    return 1 / bench.steady()[0]


def overhead(bench: Bench, config: str, measured: dict) -> None:
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
        if "wire_seconds" not in measured:
            measured["wire_seconds"] = max(added, 0.0) / 1e6
            keep(measured)
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
            load = os.getloadavg()[0]
            measured = {
                "machine": f"{os.cpu_count()} cores at a load of {load:.1f} at the beginning",
                "cores": os.cpu_count(),
                "slots": SLOTS_PER_WORKER,
                "rates": {},
                "rollout_seconds": one_alone(bench),
            }
            print(f"load {load:.1f}; one rollout alone takes {measured['rollout_seconds'] * 1000:.1f} ms")
            speed_up(bench, measured)
            overhead(bench, str(root / "configs" / "heart_disease.toml"), measured)
        finally:
            bench.server.kill()
            bench.server.wait()


main()
