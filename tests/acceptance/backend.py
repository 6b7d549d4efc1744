"""`gepa serve` as a process, and its HTTP API as any client sees it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from processes import NotReady, Process, Processes, free_port, wait_until

FINAL = {"succeeded", "failed", "cancelled"}
Json = Any


class Backend:
    """A server over one store; can be killed and started again at the same address."""

    def __init__(
        self,
        gepa: Path,
        processes: Processes,
        folder: Path,
        key: str,
        environment: Mapping[str, str],
    ) -> None:
        self.gepa = gepa
        self.processes = processes
        self.folder = folder
        self.environment = environment
        self.store = folder / "backend.db"
        self.url = f"http://127.0.0.1:{free_port()}"
        self.process: Process | None = None
        headers = {"Authorization": f"Bearer {key}"}
        self.client = httpx.Client(base_url=self.url, headers=headers, timeout=30)
        # Everything the server ever answered, to be searched for secrets.
        self.answers = folder / "logs" / "http_answers.log"

    def start(self) -> None:
        listen = self.url.removeprefix("http://")
        command = [self.gepa, "serve", "--listen", listen, "--store", f"sqlite://{self.store}"]
        self.process = self.processes.start("serve", command, self.environment, self.folder)

        def answers() -> bool:
            try:
                return self.client.get("/health").status_code == 200
            except httpx.HTTPError:
                return False

        wait_until("gepa serve", answers, 30, self.process)

    def get(self, path: str, **query: object) -> httpx.Response:
        reply = self.client.get(path, params={name: str(value) for name, value in query.items()})
        with self.answers.open("a", encoding="utf-8") as file:
            file.write(f"GET {path} {reply.status_code} {dict(reply.headers)}\n{reply.text}\n")
        return reply

    def json(self, path: str, **query: object) -> Json:
        reply = self.get(path, **query)
        if reply.status_code != 200:
            raise AssertionError(f"GET {path}: {reply.status_code} {reply.text[:300]}")
        return reply.json()

    def post(self, path: str, body: object = None) -> httpx.Response:
        reply = self.client.post(path, json=body if body is not None else {})
        with self.answers.open("a", encoding="utf-8") as file:
            file.write(f"POST {path} {reply.status_code}\n{reply.text}\n")
        return reply

    def job(self, job_id: str, rest: str = "", **query: object) -> Json:
        return self.json(f"/api/prompt-learning/online/jobs/{job_id}{rest}", **query)

    def rows(self, job_id: str, what: str) -> list[dict[str, Json]]:
        """All rows of a table of a job (`trials`, `rollouts`, `candidates`), page by page."""
        rows: list[dict[str, Json]] = []
        query: dict[str, object] = {}
        while True:
            page = self.job(job_id, f"/{what}", **query)
            rows.extend(page[what])
            if not page.get("has_more"):
                return rows
            query["after"] = page["next_after"]

    def events(self, job_id: str, limit: int = 10_000) -> list[dict[str, Json]]:
        return list(self.job(job_id, "/events", since_seq=0, limit=limit)["events"])

    def wait_for(self, job_id: str, seconds: float, states: set[str] | None = None) -> Json:
        """The job's detail once it is final, or in one of `states`."""
        wanted = states or FINAL
        deadline = time.monotonic() + seconds
        while True:
            detail = self.job(job_id)
            if detail["status"] in wanted:
                return detail
            if detail["status"] in FINAL:
                raise AssertionError(f"{job_id} ended {detail['status']}: {detail.get('error')}")
            if time.monotonic() > deadline:
                raise NotReady(f"{job_id} is still {detail['status']} after {seconds:.0f} s")
            time.sleep(0.2)
