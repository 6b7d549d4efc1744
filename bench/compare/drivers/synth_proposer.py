"""Between the proposer of synth-optimizers and a world's reflection model.

The proposer requests a JSON manifest with several proposals; a world's model answers with one new
text in a fenced block. So this module sends the unchanged prompt once per requested proposal, and
puts the texts into a manifest. It adds nothing to the prompt or the replies.
"""

from __future__ import annotations

import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from world_client import Model

FENCE = "```"


class Translator:
    """An OpenAI-compatible endpoint on loopback."""

    def __init__(self, reflector: Model, component: str) -> None:
        self._reflector, self._component = reflector, component
        self._pool = ThreadPoolExecutor(16)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def manifest(self, messages: list[dict[str, str]]) -> dict[str, Any]:
        """What the proposer wants to read."""
        prompt = messages[-1]["content"]
        wanted = int(_found(r"proposals_requested: (\d+)", prompt, "1"))
        parent = _found(r"^parent: (\S+)", prompt, "")
        replies = list(self._pool.map(self._reflector.complete, [messages] * wanted))
        texts = [text for text in map(fenced, replies) if text]
        shown = _found(r"((?:pareto|train):[\w-]+)", prompt, "none")
        said = "see the examples"
        return {
            "schema_version": "gepa_workspace_proposal_v3",
            "critique": said,
            "evidence": {
                "reviewed_files": ["state/proposer_failure_summary.json"],
                "candidate_comparison": said,
                "failure_patterns": [said],
                "winning_patterns": [said],
                "example_ids_used": [shown],
            },
            "rationale": said,
            "proposals": [
                {
                    "proposal_type": "parent_variation",
                    "parent_candidate_ids": [parent],
                    "rationale": said,
                    "proposed_payload": {self._component: text},
                }
                for text in texts
            ],
        }

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        translator = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                """The proposer's calls are in the world server's books."""

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                manifest = translator.manifest(body["messages"])
                answer = json.dumps(_completion(json.dumps(manifest))).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

        return Handler


def fenced(reply: str) -> str | None:
    """The text between the first fence and the last one; nothing where a fence is missing."""
    parts = reply.split(FENCE)
    return FENCE.join(parts[1:-1]).strip("\n") if len(parts) >= 3 else None


def _found(pattern: str, text: str, otherwise: str) -> str:
    match = re.search(pattern, text, re.MULTILINE)
    return match[1] if match else otherwise


def _completion(content: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": content}
    return {
        "id": "chatcmpl-manifest",
        "object": "chat.completion",
        "created": 0,
        "model": "reflector",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
    }
