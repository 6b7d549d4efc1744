"""The command `gepa` from Python: a task of `gepa init`, run offline, and its result as a `Run`."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import gepa_engine


def gepa() -> str:
    """The command that the wheel installs beside the interpreter."""
    beside = Path(sys.executable).with_name("gepa")
    found = str(beside) if beside.is_file() else shutil.which("gepa")
    if found is None:
        raise SystemExit("the command gepa is not there; install the wheel of gepa-engine")
    return found


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        begin = [gepa(), "init", folder, "--task", "classify", "--language", "python"]
        subprocess.run(begin, check=True, capture_output=True)
        subprocess.run([gepa(), "run", "config.toml"], cwd=folder, check=True, capture_output=True)
        run = gepa_engine.Run(f"sqlite://{folder}/.gepa/gepa.db")
        print(run.diff())
        assert run.statistics["best_validation_score"] > run.statistics["baseline_validation_score"]


if __name__ == "__main__":
    main()
