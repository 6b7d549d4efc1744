"""Runs the acceptance checks against the real synth-ai 0.2.24; see README.md.

Usage: run.py [TEXT]    only checks whose name contains TEXT (their forerunners included by hand)
GEPA_BIN and GEPA_MODEL_SERVER name the programs; otherwise cargo builds them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")

import check_jobs  # noqa: E402, F401  declared first: later checks look at these jobs
import check_artifacts  # noqa: E402, F401
import check_counters  # noqa: E402, F401
import check_parity  # noqa: E402, F401
import check_live  # noqa: E402, F401
import check_spellings  # noqa: E402, F401
import check_clients  # noqa: E402, F401
import check_queue  # noqa: E402, F401
import check_faults  # noqa: E402, F401
import check_restart  # noqa: E402, F401
import check_secrets  # noqa: E402, F401
import configs  # noqa: E402
import data  # noqa: E402
from checks import Context, Tally, run_all  # noqa: E402
from processes import Processes  # noqa: E402
from world import ROOT, World  # noqa: E402

MOST_SECONDS = 900


def main() -> int:
    chosen = sys.argv[1] if len(sys.argv) > 1 else ""
    try:
        data.shared_datasets()
        configs.genuine_folder()
    except FileNotFoundError as missing:
        print(f"SKIPPED: {missing}")
        print("0 passed, 0 failed, 1 skipped")
        return 0
    gepa = program("GEPA_BIN", ["-p", "gepa-cli"], "gepa")
    model_server = program(
        "GEPA_MODEL_SERVER",
        ["-p", "gepa-testing", "--example", "model_server"],
        "examples/model_server",
    )
    folder = Path(tempfile.mkdtemp(prefix="gepa-acceptance-"))
    logs = folder / "logs"
    logs.mkdir()
    world = World(folder, gepa, Processes(logs))
    # If anything hangs, the run ends after this time, and its processes with it.
    watchdog = threading.Timer(MOST_SECONDS, give_up, [world])
    watchdog.daemon = True
    watchdog.start()
    tally = Tally()
    try:
        world.start_model_server(model_server)
        world.start_apps()
        world.start_backend()
        tally = run_all(Context(world), chosen, logs / "failures.txt")
    except Exception as problem:
        tally.failed += 1
        print(f"FAILED  the surroundings could not be set up: {problem}", flush=True)
    finally:
        watchdog.cancel()
        world.end()
    if tally.failed:
        print(f"logs are kept in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    for name in tally.failures:
        print(f"failed: {name}")
    print(f"{tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped")
    return 1 if tally.failed or not tally.passed else 0


def program(variable: str, build: list[str], built: str) -> Path:
    named = os.environ.get(variable)
    if named:
        return Path(named).resolve()
    subprocess.run(["cargo", "build", "--quiet", *build], cwd=ROOT, check=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return (ROOT / target / "debug" / built).resolve()


def give_up(world: World) -> None:
    print(f"FAILED  the run took over {MOST_SECONDS} s; logs are kept in {world.folder}", flush=True)
    world.processes.end_all()
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
