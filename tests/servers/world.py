"""A task app and a model provider on loopback, in one process, that count what they are asked."""

from __future__ import annotations

import http.client
import json
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

SYSTEM = "Say whether the number is even or odd."
USER = "The number is {number}."
KEY = "app-key"


class Ledger:
    """Requests that were answered, and how many are being answered."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.rollouts: Counter[str] = Counter()
        self.rollout_calls = 0
        self.reflection_calls = 0

    def rollout(self, run: str) -> None:
        with self._lock:
            self.rollouts[run] += 1

    def call(self, is_reflection: bool) -> None:
        with self._lock:
            if is_reflection:
                self.reflection_calls += 1
            else:
                self.rollout_calls += 1


class Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    ledger: Ledger
    latency: float

    def log_message(self, *_: Any) -> None:
        pass

    def body(self) -> Any:
        return json.loads(self.rfile.read(int(self.headers.get("content-length", "0"))) or b"{}")

    def answer(self, body: Any) -> None:
        text = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


class Provider(Quiet):
    """Says the parity of a number if the prompt has the word `Good`, and else `even`."""

    def do_POST(self) -> None:
        messages = self.body()["messages"]
        last = messages[-1]["content"]
        is_rollout = len(messages) > 1 and "The number is " in last and len(last) < 60
        self.ledger.call(not is_rollout)
        time.sleep(self.latency if is_rollout else 2 * self.latency)
        if is_rollout:
            number = int("".join(filter(str.isdigit, last)) or 0)
            is_odd = number % 2 == 1 and "Good" in messages[0]["content"]
            text = "odd" if is_odd else "even"
        else:
            text = "```\nGood: say whether the number is even or odd.\n```"
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        usage = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}
        self.answer({"id": "x", "object": "chat.completion", "choices": [choice], "usage": usage})


class App(Quiet):
    def do_GET(self) -> None:
        self.answer({"status": "ok"})

    def do_POST(self) -> None:
        request = self.body()
        self.ledger.rollout(request["run_id"])
        seed = request["env"]["seed"]
        where = urlsplit(request["policy"]["config"]["inference_url"])
        call = {
            "model": "any",
            "messages": [
                {"role": "system", "content": SYSTEM},
                {"role": "user", "content": USER.format(number=seed)},
            ],
        }
        try:
            connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=60)
            path = f"{where.path}/chat/completions?{where.query}"
            connection.request("POST", path, json.dumps(call), {"content-type": "application/json"})
            reply = json.loads(connection.getresponse().read())
            said = reply["choices"][0]["message"]["content"]
        except (OSError, http.client.HTTPException, ValueError, KeyError):
            # The engine was killed; no engine waits for this answer.
            self.close_connection = True
            return
        reward = float(said == ("odd" if seed % 2 else "even"))
        step = {"info": {"expected_label": "odd" if seed % 2 else "even", "predicted_label": said}}
        self.answer(
            {
                "run_id": request["run_id"],
                "trajectories": [{"steps": [step], "length": 1}],
                "metrics": {"outcome_reward": reward, "episode_returns": [reward], "mean_return": reward, "num_steps": 1},
            }
        )

    def answer(self, body: Any) -> None:
        try:
            super().answer(body)
        except OSError:
            self.close_connection = True


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A killed engine leaves its connections; everything else is an error of this file.
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def serve(kind: type[Quiet], ledger: Ledger, latency: float = 0.0) -> str:
    """Starts a server; its address."""
    handler = type(kind.__name__, (kind,), {"ledger": ledger, "latency": latency})
    server = Server(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}"


def submission(app: str, budget: int, seed: int) -> dict[str, Any]:
    return {
        "algorithm": "gepa",
        "config_body": {
            "prompt_learning": {
                "algorithm": "gepa",
                "task_app_url": app,
                "initial_prompt": {
                    "id": "parity",
                    "name": "Parity",
                    "messages": [
                        {"role": "system", "pattern": SYSTEM, "order": 0},
                        {"role": "user", "pattern": USER, "order": 1},
                    ],
                    "wildcards": {"number": "REQUIRED"},
                },
                "policy": {"model": "llama-3.1-8b-instant", "provider": "groq", "temperature": 0.0, "max_completion_tokens": 64},
                "gepa": {
                    "env_name": "parity",
                    "proposer_type": "dspy",
                    "rng_seed": seed,
                    "rollout": {"budget": budget, "max_concurrent": 4, "minibatch_size": 3},
                    "evaluation": {
                        "validation_top_k": 1,
                        "train_seeds": list(range(10)),
                        "val_seeds": list(range(30, 40)),
                    },
                    "mutation": {"llm_model": "llama-3.3-70b-versatile", "llm_provider": "groq"},
                },
            }
        },
        "overrides": {},
        "metadata": {},
    }
