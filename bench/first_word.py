#!/usr/bin/env python3
"""Measures how long a run that cannot work takes until it says why, and until it ends.

Usage: first_word.py GEPA        GEPA is the binary

Each row of the table is a run that is set up wrongly in one way: an evaluator that fails on every
example, a provider that is not there, a key that is refused, and so on. The time to the first word ends
with the first line on stderr that names the fault. Everything runs on loopback. The exit code is 1 if a
first word took longer than five seconds or never came.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

LONGEST_FIRST_WORD = 5.0
LONGEST_RUN = 90.0

BROKEN_EVALUATOR = """
import json, sys
print(json.dumps({"protocol": 1}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    print(json.dumps({"id": request["id"], "score": request["missing"]}), flush=True)
"""
SILENT_EVALUATOR = """
import sys
for line in sys.stdin:
    pass
"""
TALKING_EVALUATOR = """
import json, sys
print(json.dumps({"protocol": 1}), flush=True)
for line in sys.stdin:
    print("debug: got a line", flush=True)
"""
FAILING_EVALUATOR = """
import json, sys
print(json.dumps({"protocol": 1}), flush=True)
for line in sys.stdin:
    print(json.dumps({"id": json.loads(line)["id"], "error": "the judge is not configured", "kind": "permanent"}), flush=True)
"""
WORKING_EVALUATOR = """
import json, sys
print(json.dumps({"protocol": 1}), flush=True)
for line in sys.stdin:
    print(json.dumps({"id": json.loads(line)["id"], "score": 0.5}), flush=True)
"""


class Provider(BaseHTTPRequestHandler):
    """A provider that answers as the first part of the path says."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        mode = self.path.split("/")[1]
        status, body = {
            "key": (401, {"error": {"message": "Incorrect API key provided"}}),
            "context": (400, {"error": {"message": "maximum context length is 4096 tokens"}}),
            "broken": (500, {"error": {"message": "internal error"}}),
        }.get(mode, (404, {"error": {"message": "no such path"}}))
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@dataclass
class Case:
    name: str
    config: str
    word: str


def evaluator_config(program: str, reflection: str) -> str:
    return f"""
[run]
name = "first-word"
[evaluator]
kind = "process"
command = ["python3", "{program}"]
[components]
instruction = "Say yes or no."
[examples]
train = ["0..30"]
pareto = ["30..60"]
[reflection_model]
provider = "local"
model = "m"
base_url = "{reflection}"
[budget]
max_rollouts = 600
"""


def model_config(base_url: str) -> str:
    return f"""
[run]
name = "first-word"
[dataset]
path = "rows.csv"
[dataset.split]
train = {{ count = 20 }}
pareto = {{ count = 20 }}
[[prompt.messages]]
role = "system"
component = "instruction"
pattern = "Say yes or no."
[[prompt.messages]]
role = "user"
pattern = "{{question}}"
[scorer]
kind = "exact"
[policy]
provider = "local"
model = "m"
base_url = "{base_url}"
[budget]
max_rollouts = 600
"""


def app_config(url: str) -> str:
    return f"""
[run]
name = "first-word"
[evaluator]
kind = "task_app"
url = "{url}"
env_name = "questions"
[[prompt.messages]]
role = "system"
component = "instruction"
pattern = "Say yes or no."
[examples]
train = ["0..20"]
pareto = ["20..40"]
[policy]
provider = "local"
model = "m"
base_url = "{url}/v1"
[budget]
max_rollouts = 600
"""


def main() -> int:
    gepa = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory(prefix="gepa-first-word-") as name:
        folder = Path(name)
        write_inputs(folder)
        plain = serve(None)
        refused = f"http://127.0.0.1:{unused_port()}/v1"
        cases = [
            Case("evaluator raises on every example", evaluator_config("broken.py", refused), r"KeyError"),
            Case("evaluator fails every example", evaluator_config("failing.py", refused), r"judge is not configured"),
            Case("evaluator prints on stdout", evaluator_config("talking.py", refused), r"debug: got"),
            Case("evaluator never says hello", evaluator_config("silent.py", refused), r"hello|protocol|waiting"),
            Case("evaluator's program is missing", evaluator_config("nowhere.py", refused), r"No such file|can't open"),
            Case("provider refuses connections", model_config(refused), r"refused"),
            Case("provider's name is unknown", model_config("http://no-such-host.invalid/v1"), r"name|lookup|resolve|dns"),
            Case("provider's key is wrong", model_config(f"{plain}/key/v1"), r"401|key"),
            Case("provider answers 500 only", model_config(f"{plain}/broken/v1"), r"500"),
            Case("task app is down", app_config(f"http://127.0.0.1:{unused_port()}"), r"refused|not reachable|answer"),
            Case("reflection model answers 400", evaluator_config("working.py", f"{plain}/context/v1"), r"context length"),
            Case("reflection model answers 500", evaluator_config("working.py", f"{plain}/broken/v1"), r"(?<![\d.])500\b"),
            Case("reflection model's key is wrong", evaluator_config("working.py", f"{plain}/key/v1"), r"401|key"),
        ]
        certificate = self_signed(folder)
        if certificate:
            cases.append(Case("provider's certificate is bad", model_config(f"{serve(certificate)}/v1"), r"certificate"))
        else:
            print("SKIPPED: no `openssl` to make a bad certificate", file=sys.stderr)
        print(f"{'run that cannot work':<36} {'first word':>11} {'end':>9}  exit  first line")
        late = 0
        for case in cases:
            first, end, code, line = measure(gepa, folder, case)
            late += first is None or first > LONGEST_FIRST_WORD
            word = "never" if first is None else f"{first:.1f} s"
            print(f"{case.name:<36} {word:>11} {end:>7.1f} s  {code:>4}  {line[:100]}", flush=True)
    return 1 if late else 0


def write_inputs(folder: Path) -> None:
    programs = {
        "broken.py": BROKEN_EVALUATOR,
        "silent.py": SILENT_EVALUATOR,
        "talking.py": TALKING_EVALUATOR,
        "failing.py": FAILING_EVALUATOR,
        "working.py": WORKING_EVALUATOR,
    }
    for name, text in programs.items():
        (folder / name).write_text(text)
    rows = "".join(f"{n},is {n} even?,{'no' if n % 2 else 'yes'}\n" for n in range(60))
    (folder / "rows.csv").write_text("id,question,answer\n" + rows)


def serve(certificate: Path | None) -> str:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    scheme = "https" if certificate else "http"
    return f"{scheme}://127.0.0.1:{server.server_address[1]}"


def unused_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def self_signed(folder: Path) -> Path | None:
    if not shutil.which("openssl"):
        return None
    both = folder / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=other.invalid"]
    key, own = folder / "key.pem", folder / "own.pem"
    subprocess.run([*command, "-keyout", key, "-out", own], check=True, capture_output=True)
    both.write_text(key.read_text() + own.read_text())
    return both


def measure(gepa: Path, folder: Path, case: Case) -> tuple[float | None, float, int | str, str]:
    config = folder / "config.toml"
    config.write_text(case.config)
    environment = {"PATH": os.environ["PATH"], "LOCAL_API_KEY": "key", "ENVIRONMENT_API_KEY": "key"}
    began = time.monotonic()
    process = subprocess.Popen(
        [gepa, "run", config, "--store", "memory:"],
        cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )
    found: list[tuple[float, str]] = []

    def read() -> None:
        assert process.stderr
        for line in process.stderr:
            if not found and re.search(case.word, line, re.IGNORECASE):
                found.append((time.monotonic() - began, line.strip()))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        code: int | str = process.wait(timeout=LONGEST_RUN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        code = "none"
    end = time.monotonic() - began
    reader.join(timeout=5)
    first, line = found[0] if found else (None, "")
    return first, end, code, line


if __name__ == "__main__":
    sys.exit(main())
