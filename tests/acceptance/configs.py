"""The genuine config files, with what has to differ on this machine and nothing else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent

GENUINE = {
    "heartdisease": "langprobe__task_specific__heartdisease__heartdisease_gepa.toml",
    "iris": "langprobe__task_specific__iris__iris_gepa.toml",
    "banking77": "langprobe__task_specific__banking77__banking77_gepa.toml",
    "banking77_pipeline": "gepa__banking77_pipeline_gepa.toml",
}
POLICY_MODEL = "prompt_learning.policy.model"
POLICY_PROVIDER = "prompt_learning.policy.provider"
BUDGET = "prompt_learning.gepa.rollout.budget"
CONCURRENCY = "prompt_learning.gepa.rollout.max_concurrent"


def genuine_folder() -> Path:
    named = os.environ.get("SHARED_SYNTH")
    folder = (Path(named) if named else HERE.parents[2] / "shared" / "synth") / "configs"
    if not folder.is_dir():
        raise FileNotFoundError(
            f"no genuine configs in {folder}: set SHARED_SYNTH to the folder that holds `configs`"
        )
    return folder


def genuine(task: str) -> Path:
    return genuine_folder() / GENUINE[task]


def read(path: Path) -> dict[str, Any]:
    import tomllib

    with path.open("rb") as file:
        return tomllib.load(file)


def place(task: str, app_url: str, folder: Path, changes: Mapping[str, Any] | None = None) -> Path:
    """Writes the genuine file of `task` into `folder` for the app at `app_url`.

    The line with the app's address is replaced in the text, so everything else stays as it is;
    `results` lies beside it, and `.env` where the file expects it. With `changes` (dotted paths)
    the whole is written anew.
    """
    folder.mkdir(parents=True, exist_ok=True)
    source = genuine(task)
    lines = source.read_text(encoding="utf-8").splitlines(keepends=True)
    text = "".join(
        f'task_app_url = "{app_url}"\n' if line.startswith("task_app_url") else line
        for line in lines
    )
    if "results_folder" not in text:
        # The command line of the client insists on it.
        text = text.replace("[prompt_learning]\n", '[prompt_learning]\nresults_folder = "results"\n', 1)
    path = folder / source.name.rsplit("__", 1)[1]
    path.write_text(text, encoding="utf-8")
    if changes:
        rewrite(path, changes)
    env_file = read(path)["prompt_learning"].get("env_file_path")
    if env_file:
        place_env_file((folder / env_file).resolve())
    return path


def rewrite(path: Path, changes: Mapping[str, Any]) -> None:
    import tomli_w

    tree = read(path)
    for dotted, value in changes.items():
        *tables, key = dotted.split(".")
        table = tree
        for name in tables:
            table = table.setdefault(name, {})
        table[key] = value
    with path.open("wb") as file:
        tomli_w.dump(tree, file)


def place_env_file(path: Path) -> None:
    """An `.env` file that the genuine configs refer to and the queue insists on."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("# keys come from the environment\n", encoding="utf-8")


def deep_folder(base: Path, name: str) -> Path:
    """A folder as deep as the genuine files expect theirs: their `.env` is five levels up."""
    return base / "jobs" / name / "a" / "b" / "c" / "d"


def clean(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
