"""The process that divides shared limits is killed; the limit holds, and another process divides.

Usage: python3 divider_dies.py GEPA, with GEPA_NATS_SERVER

Runs of their own processes share a limit on requests a minute through a NATS server, and want more than there is. One
of them makes the changes of all: the document of the limit names it. That one is killed (`kill -9`), twice. Fails unless
another process is named and calls go on, and unless in every window of a minute the provider got at most the limit.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any, Iterable

import over_queue
import world

LIMIT = 240
RUNS = 5
KILLS = 2
# Calls arrive later than they were sent, by as much as this.
LATE = 1.0
# A holder whose question gets no answer within 1.2 s names another divider at its next turn, half a second later. The
# rest is for a loaded machine.
TERM = 10.0
BETWEEN_KILLS = 20.0
CONFIG = """
[run]
max_concurrent = 16
[dataset]
path = "rows.jsonl"
answer = "answer"
[dataset.split]
train = { count = 20 }
pareto = { count = 3000 }
[[prompt.messages]]
role = "system"
component = "instruction"
pattern = "Say whether the number is even or odd."
[[prompt.messages]]
role = "user"
pattern = "The number is {number}."
[scorer]
kind = "exact"
[policy]
provider = "groq"
model = "llama-3.1-8b-instant"
[reflection_model]
provider = "rulebook"
model = "rulebook"
[providers.groq]
requests_per_minute = LIMIT
[search]
evaluation = "full"
[budget]
max_rollouts = 10000
"""


class Timed(world.Ledger):
    """When each request came."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def call(self, is_reflection: bool) -> None:
        self.times.append(time.monotonic())
        super().call(is_reflection)


def document(port: int) -> dict[str, Any] | None:
    """The document of the only shared limit, as JetStream has it."""
    question = json.dumps({"seq": 1, "next_by_subj": "$KV.gepa-limits.>"})
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        stream = connection.makefile("rwb")
        stream.readline()
        stream.write(b'CONNECT {"verbose":false}\r\nSUB _INBOX.test 1\r\n')
        stream.write(f"PUB $JS.API.STREAM.MSG.GET.KV_gepa-limits _INBOX.test {len(question)}\r\n{question}\r\n".encode())
        stream.flush()
        while line := stream.readline():
            if line.startswith(b"MSG"):
                answer = json.loads(stream.read(int(line.split()[-1])))
                data = answer.get("message", {}).get("data")
                return json.loads(base64.b64decode(data)) if data else None
    return None


class Dividers:
    """Finds the process that divides: the document has its name, and the server knows the port from which it listens."""

    def __init__(self, port: int, monitoring: int) -> None:
        self._port, self._monitoring = port, monitoring

    def process(self, among: Iterable[int]) -> int | None:
        found = document(self._port)
        name = found and found.get("divider")
        if not name:
            return None
        address = f"http://127.0.0.1:{self._monitoring}/connz?subs=1&limit=1000"
        with urllib.request.urlopen(address, timeout=5) as reply:
            connections = json.load(reply)["connections"]
        for connection in connections:
            if any(one.endswith(f".{name}") for one in connection.get("subscriptions_list") or []):
                socket_of_it = inode(connection["port"])
                return next((pid for pid in among if socket_of_it in sockets(pid)), None)
        return None


def inode(port: int) -> str:
    """The socket that has this local port."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[1].split(":")[1], 16) == port:
            return f"socket:[{fields[9]}]"
    return "none"


def sockets(pid: int) -> set[str]:
    found = set()
    for file in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.add(os.readlink(file))
        except OSError:
            # It was closed meanwhile.
            continue
    return found


def until(what: str, holds: Any, seconds: float) -> float:
    begun = time.monotonic()
    while not holds():
        if time.monotonic() - begun > seconds:
            raise SystemExit(f"not within {seconds} s: {what}")
        time.sleep(0.1)
    return time.monotonic() - begun


def largest_window(times: list[float], seconds: float) -> int:
    first = most = 0
    for last, at in enumerate(times):
        while at - times[first] >= seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


def main() -> None:
    gepa = os.path.abspath(sys.argv[1])
    ledger = Timed()
    provider = world.serve(world.Provider, ledger, 0.05)
    environment = {"PATH": os.environ["PATH"], "GEPA_PROVIDER_BASE_URL": f"{provider}/v1", "GROQ_API_KEY": "provider-key"}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = ({"number": number, "answer": "odd" if number % 2 else "even"} for number in range(3_100))
        (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (folder / "run.toml").write_text(CONFIG.replace("LIMIT", str(LIMIT)))
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            monitoring = listener.getsockname()[1]
        queue = over_queue.Queue(name, ["-m", str(monitoring)])
        dividers = Dividers(queue.port, monitoring)
        running: dict[int, subprocess.Popen[bytes]] = {}
        log = open(folder / "runs.log", "wb")

        def begin() -> None:
            settings = ["--set", f"limits.shared={queue.url}", "--set", f"run.seed={len(ledger.times)}"]
            store = f"sqlite://{folder}/{time.monotonic_ns()}.db"
            command = [gepa, "run", str(folder / "run.toml"), "--store", store, *settings]
            process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
            running[process.pid] = process

        def check_alive() -> None:
            for process in running.values():
                if process.poll() is not None:
                    raise SystemExit(f"a run ended with {process.returncode}:\n{(folder / 'runs.log').read_text()[-2000:]}")

        try:
            for _ in range(RUNS):
                begin()
            until("a process divides", lambda: dividers.process(running), 30)
            until("calls go out", lambda: len(ledger.times) > LIMIT / 6, 60)
            for _ in range(KILLS):
                time.sleep(BETWEEN_KILLS)
                check_alive()
                dead = dividers.process(running)
                if dead is None:
                    raise SystemExit("no run divides")
                process = running.pop(dead)
                process.kill()
                process.wait()
                took = until("another process divides", lambda: dividers.process(running), TERM)
                before = len(ledger.times)
                until("calls go on", lambda: len(ledger.times) >= before + LIMIT / 12, 20)
                print(f"process {dead} divided and was killed; process {dividers.process(running)} divides after {took:.1f} s")
                begin()
            time.sleep(BETWEEN_KILLS)
            check_alive()
        finally:
            for process in running.values():
                process.kill()
                process.wait()
            queue.kill()
    times = sorted(ledger.times)
    most = largest_window(times, 60 - LATE)
    if most > LIMIT:
        raise SystemExit(f"{most} requests within a minute, and the limit is {LIMIT}")
    seconds = times[-1] - times[0]
    used = len(times) / (LIMIT / 60 * seconds)
    print(f"{len(times)} requests in {seconds:.0f} s, at most {most} of {LIMIT} within a minute; {100 * used:.0f} % of the limit used")


if __name__ == "__main__":
    main()
