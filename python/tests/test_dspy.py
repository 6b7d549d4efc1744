"""`dspy.GEPA(...).compile(...)` decides the same on this engine, and goes on after a kill."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("dspy", reason="SKIPPED: dspy is not installed")
PROGRAM = Path(__file__).with_name("dspy_program.py")


def start(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(PROGRAM), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def outcome(process: subprocess.CompletedProcess[str]) -> Any:
    assert process.returncode == 0, process.stderr[-2_000:]
    return json.loads(process.stdout.strip().splitlines()[-1])


@pytest.mark.parametrize("program", ["predict", "reasoning", "two_steps"])
def test_a_program_is_compiled_alike(program: str) -> None:
    bare, ours = outcome(start("bare", program)), outcome(start("ours", program))
    assert len(bare["scores"]) > 1
    assert ours == bare


def test_a_compilation_that_is_killed_goes_on_without_paying_twice(tmp_path: Path) -> None:
    whole = outcome(start("ours", "predict", str(tmp_path / "whole")))
    killed = start("ours", "predict", str(tmp_path / "killed"), "40")
    assert killed.returncode == -signal.SIGKILL
    assert outcome(start("ours", "predict", str(tmp_path / "killed"))) == whole
    paid = [len((tmp_path / f"{name}.paid").read_text("utf-8").splitlines()) for name in ("whole", "killed")]
    # A trial that was running when the process was killed is run again, and so is the parent of an
    # iteration that was killed before its reflection: its traces are no JSON.
    print(f"metric calls: {paid[0]} whole, {paid[1]} with a kill after 40")
    assert paid[1] - paid[0] <= 6
