"""Rollouts executed by Python functions in worker processes, over a real queue; one is killed in the middle."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import gepa_engine

SERVER = os.environ.get("GEPA_NATS_SERVER") or shutil.which("nats-server")
GEPA = Path(sys.executable).with_name("gepa")
ROLLOUTS = 70

CONFIG = f"""
[run]
name = "workers in Python"
max_concurrent = 8

[components]
words = "please"

[dataset]
path = "messages.csv"

[dataset.split]
train = {{ count = 20 }}
pareto = {{ count = 20 }}

[evaluator]
kind = "process"
command = ["{sys.executable}", "-m", "gepa_engine.evaluator", "metric:score"]

[proposer]
kind = "process"
command = ["{sys.executable}", "proposer.py"]

[budget]
max_rollouts = {ROLLOUTS}
"""

METRIC = """
import json, os, time

def score(candidate, example):
    time.sleep(0.05)
    words = set(candidate["words"].split())
    answer = "spam" if words & set(example.fields["text"].split()) else "ham"
    asked = example.request
    with open("paid", "a") as paid:
        paid.write(json.dumps([asked["trial_id"], example.id, os.getpid()]) + "\\n")
    print("a line on stdout disturbs nothing")
    return {"score": float(answer == example.expected), "feedback": f"expected {example.expected}"}
"""

PROPOSER = """
import json, sys
print(json.dumps({"proposer": 1}), flush=True)
for number, line in enumerate(sys.stdin):
    asked = json.loads(line)
    texts = {name: f"please word{number}" for name in asked["components"]}
    print(json.dumps({"id": asked["id"], "texts": texts}), flush=True)
"""

WORKER = """
import sys
import gepa_engine, metric

served = gepa_engine.worker(metric.score, config="config.toml", queue=sys.argv[1], lost_after=2, deliveries=50)
print(served, flush=True)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    if not GEPA.is_file():
        pytest.skip("SKIPPED: the command gepa is not beside the interpreter")
    rows = ["text,label", *(f"word{one % 7} number {one},{'spam' if one % 3 else 'ham'}" for one in range(60))]
    (tmp_path / "messages.csv").write_text("\n".join(rows) + "\n", "utf-8")
    (tmp_path / "config.toml").write_text(CONFIG, "utf-8")
    (tmp_path / "metric.py").write_text(METRIC, "utf-8")
    (tmp_path / "proposer.py").write_text(PROPOSER, "utf-8")
    (tmp_path / "worker.py").write_text(WORKER, "utf-8")
    return tmp_path


@pytest.fixture
def queue(folder: Path) -> Iterator[str]:
    if SERVER is None:
        pytest.skip("SKIPPED: no NATS server")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    arguments = [SERVER, "--jetstream", "--store_dir", str(folder / "nats"), "--addr", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    yield f"nats://127.0.0.1:{port}"
    server.kill()
    server.wait()


def paid(folder: Path) -> list[tuple[str, int, int]]:
    file = folder / "paid"
    lines = file.read_text("utf-8").splitlines() if file.is_file() else []
    return [tuple(json.loads(line)) for line in lines]


def start_worker(folder: Path, queue: str) -> subprocess.Popen[str]:
    command = [sys.executable, "worker.py", queue]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def settled(folder: Path) -> int:
    rollouts = gepa_engine.Run(f"sqlite://{folder}/.gepa/gepa.db").columns("rollouts")
    assert set(rollouts["outcome"]) == {"scored"}
    return len(rollouts["outcome"])


def test_a_function_evaluates_for_a_config(folder: Path) -> None:
    done = subprocess.run([GEPA, "run", "config.toml"], cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert settled(folder) == len(paid(folder)) > 40


def test_a_killed_worker_loses_nothing_and_others_go_on(folder: Path, queue: str) -> None:
    workers = [start_worker(folder, queue) for _ in range(2)]
    run = subprocess.Popen([GEPA, "run", "config.toml", "--set", f"workers.queue={queue}"], cwd=folder)
    while len(paid(folder)) < 25:
        assert run.poll() is None
        time.sleep(0.02)
    killed = workers[0]
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    # The program that took work for it ends as well, so it takes no more.
    workers.append(start_worker(folder, queue))
    assert run.wait(timeout=120) == 0
    for worker in workers[1:]:
        worker.send_signal(signal.SIGINT)
    # A worker that was interrupted before it began says nothing.
    served = [int((worker.communicate(timeout=60)[0].split() or ["0"])[-1]) for worker in workers[1:]]
    by_process = Counter(process for _, _, process in paid(folder))
    assert len(by_process) >= 2
    assert by_process[killed.pid] > 0
    assert sum(served) + by_process[killed.pid] == len(paid(folder))
    # What was in hand when it was killed is executed again, and nothing else.
    distinct = {(trial, example) for trial, example, _ in paid(folder)}
    assert settled(folder) == len(distinct)
    again = len(paid(folder)) - len(distinct)
    assert again <= 8
