#!/usr/bin/env python3
"""Compares what `gepa run --plan` expects with what runs use.

Usage: plan_accuracy.py GEPA        GEPA is the binary

Twenty runs, all on loopback: the config of the heart disease task with the rulebook under several budgets
and minibatches, and a classification task at a model server that counts tokens as four bytes each, answers
in lengths of its own and writes ever longer prompts. The table has the expected and the used tokens and
rollouts, and their ratio. The last two columns are the ratio for a second run with another seed, planned with
the first one in the store, since such a plan rests on what calls used. The exit code is 1 if a plan's columns descend anywhere.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CLOSE = 1.5
RULE = "When the text names a thing that went wrong, take its words as they stand and weigh them. "


class Model(BaseHTTPRequestHandler):
    """A model whose prompts grow by `grow` sentences each time, and whose answers have `words` words."""

    protocol_version = "HTTP/1.1"
    written = 0
    lock = threading.Lock()

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        _, words, grow, gain = self.path.split("/")[1].split("-")
        prompt = "\n".join(message["content"] for message in body["messages"])
        if "```" in prompt:
            with Model.lock:
                Model.written += 1
                number = Model.written
            sentences = RULE * min(int(grow) * (1 + number // 4), 30)
            reply = f"The examples show this.\n```\nSay yes or no. Version {number % int(gain)}. {sentences}\n```"
        else:
            version = re.search(r"Version (\d+)", prompt)
            question = prompt.rsplit("text ", 1)[-1]
            number = int(re.match(r"\d+", question).group() or 0)
            knows = version and number % int(gain) <= int(version.group(1))
            answer = ("yes" if number % 2 else "no") if knows else "yes"
            reply = "so " * (int(words) - 1) + answer
        data = json.dumps(
            {
                "id": "1",
                "object": "chat.completion",
                "model": "m",
                "choices": [{"index": 0, "message": {"role": "assistant", "content": reply}, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": len(prompt) // 4 + 8, "completion_tokens": len(reply) // 4 + 1},
            }
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


def config(base_url: str, mode: str, pareto: int, budget: str) -> str:
    return f"""
[run]
name = "plan"
[dataset]
path = "rows.csv"
[dataset.split]
train = {{ count = 40 }}
pareto = {{ count = {pareto} }}
validation = {{ count = 40 }}
[[prompt.messages]]
role = "system"
component = "instruction"
pattern = "Say yes or no."
[[prompt.messages]]
role = "user"
pattern = "{{question}}"
[scorer]
kind = "regex"
pattern = "(yes|no)$"
[policy]
provider = "local"
model = "m"
base_url = "{base_url}/{mode}/v1"
[[prices]]
provider = "local"
model = "m"
prompt_usd_per_million = 0.4
completion_usd_per_million = 1.6
[budget]
{budget}
"""


def factor(ratio: float) -> float:
    return max(ratio, 1 / max(ratio, 1e-9))


def main() -> int:
    gepa = Path(sys.argv[1]).resolve()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base_url = f"http://127.0.0.1:{server.server_address[1]}"
    heart = str(ROOT / "configs/heart_disease.toml")
    runs: list[tuple[str, list[str]]] = []
    for limit in (750, 1200, 3000):
        for minibatch in (3, 8):
            options = ["--set", f"budget.max_rollouts={limit}", "--set", f"search.minibatch_size={minibatch}"]
            runs.append((f"heart disease, {limit} rollouts, minibatch {minibatch}", [heart, *options]))
    for iterations in (3, 8, 15):
        options = ["--set", f"budget.max_iterations={iterations}"]
        runs.append((f"heart disease, {iterations} iterations", [heart, *options]))
    worst = 1.0
    descending = 0
    with tempfile.TemporaryDirectory(prefix="gepa-plan-") as name:
        folder = Path(name)
        rows = "".join(f"{n},text {n} {'word ' * (n % 60 + 10)},{'yes' if n % 2 else 'no'}\n" for n in range(200))
        (folder / "rows.csv").write_text("id,question,answer\n" + rows)
        for mode in ("m-1-2-6", "m-30-5-6", "m-90-10-12"):
            for pareto, budget in ((20, "max_rollouts = 300"), (60, "max_rollouts = 900"), (40, "max_iterations = 8")):
                file = folder / f"{mode}-{pareto}.toml"
                file.write_text(config(base_url, mode, pareto, budget))
                runs.append((f"server {mode}, pareto {pareto}, {budget}", [str(file)]))
        for budget in ("max_rollouts = 2000\nmax_tokens = 60000", "max_rollouts = 2000\nmax_cost_usd = 0.05"):
            file = folder / f"limit-{len(runs)}.toml"
            file.write_text(config(base_url, "m-30-5-6", 20, budget))
            runs.append((f"server, {budget.splitlines()[1]}", [str(file)]))
        print(f"{'run':<52} {'tokens expected':>16} {'used':>10} {'ratio':>6} {'rollouts exp.':>14} {'used':>6} {'ratio':>6}  {'second run: tokens':>18} {'rollouts':>9}")
        second_worst, close, second_close = 1.0, 0, 0
        for title, arguments in runs:
            store = f"sqlite://{folder}/{len(title)}-{abs(hash(title))}.db"
            plan = call(gepa, folder, ["run", *arguments, "--plan"])
            expected = columns(plan)
            descending += not all(ascends(values) for values in expected.values())
            call(gepa, folder, ["run", *arguments, "--store", store])
            stats = json.loads(call(gepa, folder, ["export", "latest", "--what", "stats", "--store", store]))
            tokens, rollouts = stats["total_tokens"], stats["total_rollouts"]
            likely, likely_rollouts = expected["tokens"][1] or 0, expected["rollouts"][1] or 0
            ratio, of_rollouts = tokens / max(likely, 1), rollouts / max(likely_rollouts, 1)
            worst = max(worst, factor(ratio))
            close += factor(ratio) <= CLOSE
            again = [*arguments, "--set", "run.seed=4711"]
            second = columns(call(gepa, folder, ["run", *again, "--plan", "--store", store]))
            descending += not all(ascends(values) for values in second.values())
            call(gepa, folder, ["run", *again, "--store", store])
            stats = json.loads(call(gepa, folder, ["export", "latest", "--what", "stats", "--store", store]))
            second_ratio = stats["total_tokens"] / max(second["tokens"][1] or 0, 1)
            second_rollouts = stats["total_rollouts"] / max(second["rollouts"][1] or 0, 1)
            second_worst = max(second_worst, factor(second_ratio))
            second_close += factor(second_ratio) <= CLOSE
            print(f"{title:<52} {likely:>16} {tokens:>10} {ratio:>6.2f} {likely_rollouts:>14} {rollouts:>6} {of_rollouts:>6.2f}  {second_ratio:>18.2f} {second_rollouts:>9.2f}", flush=True)
    print(f"{len(runs)} runs; tokens are within a factor of {CLOSE} in {close}, and in {second_close} second runs;")
    print(f"the worst factors are {worst:.2f} and {second_worst:.2f}; {descending} plans descend")
    return 1 if descending else 0


def call(gepa: Path, folder: Path, arguments: list[str]) -> str:
    environment = {"PATH": os.environ["PATH"], "LOCAL_API_KEY": "key"}
    done = subprocess.run([gepa, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise SystemExit(f"{arguments}: exit {done.returncode}\n{done.stderr[-2000:]}")
    return done.stdout


def columns(plan: str) -> dict[str, list[float | None]]:
    """The three figures of each row of a plan."""
    found: dict[str, list[float | None]] = {}
    for line in plan.splitlines():
        name, figures = line[:22].strip(), re.split(r"\s{2,}", line[22:].strip())
        if len(figures) == 3:
            found[name] = [number(figure) for figure in figures]
    return found


def number(text: str) -> float | None:
    digits = text.replace(" ", "").replace("$", "")
    return float(digits) if re.fullmatch(r"[\d.]+", digits) else None


def ascends(values: list[float | None]) -> bool:
    known = [value for value in values if value is not None]
    return all(left <= right for left, right in zip(known, known[1:]))


if __name__ == "__main__":
    sys.exit(main())
