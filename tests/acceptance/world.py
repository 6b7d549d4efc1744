"""What all checks share: the apps, the model server, the backend, and where things are."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

import httpx

import data
from app_proxy import AppProxy
from backend import Backend
from processes import Process, Processes, free_port, wait_until

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

# Values that must not turn up in anything that is written or answered.
PROVIDER_KEY = "sk-marker-provider-7f3a91c2d4"
APP_KEY = "marker-environment-5b8e02aa67"
BACKEND_KEY = "marker-backend-c01d77e9f3"
SECRETS = {"provider": PROVIDER_KEY, "task app": APP_KEY, "backend": BACKEND_KEY}

APP_FILES = {
    "heartdisease": "other_langprobe_benchmarks/heartdisease_task_app.py",
    "iris": "other_langprobe_benchmarks/iris_task_app.py",
    "banking77": "banking77/banking77_task_app.py",
}
# The pipeline app has no entry point of its own.
PIPELINE_ENTRY = """
import sys
from examples.task_apps.banking77_pipeline.banking77_pipeline_task_app import build_config
from synth_ai.task.server import run_task_app
run_task_app(build_config, host="127.0.0.1", port=int(sys.argv[1]))
"""


class ModelServer:
    """Our loopback model server as seen from outside: its books and its behaviour."""

    def __init__(self, address: str) -> None:
        self.base_url = address
        self.root = address.removesuffix("/v1")

    def ledger(self, calls: int = 0) -> dict[str, object]:
        reply = httpx.get(f"{self.root}/ledger?calls={calls}", timeout=20)
        reply.raise_for_status()
        return dict(reply.json())

    def behave(self, **wanted: object) -> None:
        """Replaces latency and faults; nothing given is good health."""
        reply = httpx.post(f"{self.root}/control", json=wanted, timeout=20)
        reply.raise_for_status()


@dataclass
class World:
    folder: Path
    gepa: Path
    processes: Processes
    apps: dict[str, str] = field(default_factory=dict)
    app_processes: dict[str, Process] = field(default_factory=dict)
    proxies: dict[str, AppProxy] = field(default_factory=dict)
    model_server: ModelServer = field(init=False)
    backend: Backend = field(init=False)

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of every child: loopback only, marker keys, an empty home."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        return {
            **kept,
            "HOME": str(home),
            "HF_HUB_OFFLINE": "1",
            "HF_HOME": str(home / "huggingface"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            "NO_PROXY": "127.0.0.1,localhost",
            "ENVIRONMENT_API_KEY": APP_KEY,
            "SYNTH_API_KEY": BACKEND_KEY,
            **more,
        }

    def backend_environment(self, **more: str) -> dict[str, str]:
        """What `gepa` gets besides: the providers' keys, all pointing at the model server."""
        return self.environment(
            GROQ_API_KEY=PROVIDER_KEY,
            OPENAI_API_KEY=PROVIDER_KEY,
            GEMINI_API_KEY=PROVIDER_KEY,
            GEPA_API_KEY=BACKEND_KEY,
            GEPA_PROVIDER_BASE_URL=self.model_server.base_url,
            **more,
        )

    def start_model_server(self, program: Path) -> None:
        process = self.processes.start("model_server", [program], self.environment(), self.folder)

        def address() -> str:
            return process.log.read_text(encoding="utf-8").strip()

        wait_until("the model server", lambda: address().startswith("http"), 20, process)
        self.model_server = ModelServer(address())

    def start_apps(self) -> None:
        """Starts all four apps at once and waits until they answer."""
        folder = self.folder / "data"
        data.build(folder)
        for name in (*APP_FILES, "banking77_pipeline"):
            self.apps[name] = f"http://127.0.0.1:{free_port()}"
            self.start_app(name)
        for name in self.apps:
            self.wait_for_app(name)
            self.proxies[name] = AppProxy(self.apps[name])

    def start_app(self, name: str) -> None:
        """Starts an app at the address it has, unmodified as the package brings it."""
        import examples

        port = self.apps[name].rsplit(":", 1)[1]
        installed = Path(str(examples.__path__[0])) / "task_apps"
        folder = self.folder / "data"
        if name in APP_FILES:
            arguments = [installed / APP_FILES[name], "--host", "127.0.0.1", "--port", port]
        else:
            arguments = ["-c", PIPELINE_ENTRY, port]
        environment = self.environment(BANKING77_DATASET_NAME=str(folder / "banking77"))
        self.app_processes[name] = self.processes.start(
            f"app_{name}", [sys.executable, *arguments], environment, folder
        )

    def wait_for_app(self, name: str) -> None:
        def answers() -> bool:
            try:
                headers = {"X-API-Key": APP_KEY}
                return httpx.get(f"{self.apps[name]}/health", headers=headers).status_code == 200
            except httpx.HTTPError:
                return False

        wait_until(f"the {name} app", answers, 90, self.app_processes[name])

    def end(self) -> None:
        for proxy in self.proxies.values():
            proxy.close()
        self.processes.end_all()

    def start_backend(self) -> None:
        self.backend = Backend(
            self.gepa, self.processes, self.folder, BACKEND_KEY, self.backend_environment()
        )
        self.backend.start()
