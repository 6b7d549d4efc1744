"""Every example of `examples/` runs to its end, offline."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "examples"
#: What an example needs beyond the package; `.ci/steps/python_companions.sh` has dspy.
NEEDS = {"scikit_learn_scorer": "sklearn", "dspy_program": "dspy"}


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.py")))
def test_an_example_runs(name: str, tmp_path: Path) -> None:
    package = NEEDS.get(name)
    if package is not None and importlib.util.find_spec(package) is None:
        pytest.skip(f"SKIPPED: {name} needs the package {package}")
    environment = {**os.environ, "MLFLOW_TRACKING_URI": "", "WANDB_MODE": "disabled"}
    process = subprocess.run(
        [sys.executable, str(FOLDER / f"{name}.py")],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert process.returncode == 0, process.stderr[-2_000:]
    assert process.stdout.strip()


def test_the_page_of_the_examples_names_each() -> None:
    page = (FOLDER / "README.md").read_text("utf-8")
    for path in FOLDER.glob("*.py"):
        assert f"`{path.name}`" in page
