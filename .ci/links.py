"""Checks that what the documents point at is there.

Relative links of every tracked Markdown file must lead to a file or folder. In ARCHITECTURE.md and
CONTRIBUTING.md, paths between backticks (with a `/`, ending in `/` or a file name) must be the path
of a tracked file or folder, or the end of one. A word in capitals stands for a name of the reader's
choice; such paths are not looked up.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"\]\(([^)\s]+)\)")
PATH = re.compile(r"`([A-Za-z0-9_.-]+/[A-Za-z0-9_./{},-]*)`")
WITH_PATHS = {"ARCHITECTURE.md", "CONTRIBUTING.md"}
# Made by builds and runs, or beside the repository.
ELSEWHERE = ("target/", ".gepa/", "tests/.venv", "../")


def main() -> int:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    tracked = listed.stdout.splitlines()
    problems = []
    for name in (name for name in tracked if name.endswith(".md")):
        document = ROOT / name
        text = document.read_text("utf-8")
        for target in LINK.findall(text):
            if "://" in target or target.startswith(("#", "mailto:")):
                continue
            if not (document.parent / target.split("#")[0]).exists():
                problems.append(f"{name}: the link to {target} leads nowhere")
        if name in WITH_PATHS:
            for path in PATH.findall(text):
                wrong = [one for one in expand(path) if missing(one, tracked)]
                problems += [f"{name}: there is no {one}" for one in wrong]
    for problem in problems:
        print(problem)
    return 1 if problems else 0


def expand(path: str) -> list[str]:
    """`a/{b,c}.rs` means two paths."""
    group = re.search(r"\{([^{}]*)\}", path)
    if not group:
        return [path]
    before, after = path[: group.start()], path[group.end() :]
    return [one for piece in group[1].split(",") for one in expand(before + piece + after)]


def missing(path: str, tracked: list[str]) -> bool:
    chosen_by_the_reader = re.search(r"\b[A-Z]{3,}\b", path)
    is_path = path.endswith("/") or "." in path.rsplit("/", 1)[-1]
    if chosen_by_the_reader or not is_path or path.startswith(ELSEWHERE):
        return False
    return not any(f"/{path}" in f"/{name}" for name in tracked)


if __name__ == "__main__":
    sys.exit(main())
