#!/usr/bin/env python3
"""Does what docs/tutorial.md says, in an empty directory, and compares what is printed.

Usage: tutorial.py GEPA [DOCUMENT]     GEPA is the binary

In the document a fenced block whose first line names a file (```python score.py) is written to that
file; `sh` blocks are run; every line of a `text` block must be a line of what the `sh` block before it
printed, on stdout or stderr. `...` in a line stands for any characters. Blocks
of other kinds are left alone.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MOST_SECONDS = 300


@dataclass
class Block:
    line: int
    kind: str
    file: str
    text: str


def main() -> int:
    gepa = Path(sys.argv[1]).resolve()
    document = Path(sys.argv[2]) if len(sys.argv) > 2 else ROOT / "docs/tutorial.md"
    found = blocks(document.read_text("utf-8"))
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="gepa-tutorial-") as folder:
        printed: list[str] = []
        for block in found:
            problem = ""
            if block.file:
                Path(folder, block.file).write_text(block.text, "utf-8")
                continue
            if block.kind == "sh":
                printed, problem = run(block.text, Path(folder), gepa)
            elif block.kind == "text":
                problem = missing_line(block.text.splitlines(), printed)
            else:
                continue
            if problem:
                failed += 1
                print(f"{document.name}:{block.line}: {problem}")
                print("\n".join(f"    | {line}" for line in printed[-60:]))
            else:
                passed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


def blocks(text: str) -> list[Block]:
    """Every fenced block, in order."""
    pattern = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return [
        Block(text.count("\n", 0, match.start()) + 1, match[1], match[2] or "", match[3])
        for match in pattern.finditer(text)
    ]


def run(script: str, folder: Path, gepa: Path) -> tuple[list[str], str]:
    """The lines printed, and what went wrong."""
    # The interpreter itself: a wrapper in front of it would be started for every answer.
    paths = [str(gepa.parent), str(Path(sys.executable).resolve().parent), os.environ["PATH"]]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GEPA_")}
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env={**kept, "PATH": os.pathsep.join(paths)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=MOST_SECONDS,
        check=False,
    )
    printed = result.stdout.splitlines() + result.stderr.splitlines()
    problem = f"the commands ended with {result.returncode}" if result.returncode else ""
    return printed, problem


def missing_line(expected: list[str], printed: list[str]) -> str:
    """What is not there, or an empty text."""
    for line in expected:
        pattern = ".*".join(re.escape(piece.strip()) for piece in line.split("..."))
        if not any(re.fullmatch(pattern, there.strip()) for there in printed):
            return f"no line printed is {line!r}"
    return ""


if __name__ == "__main__":
    sys.exit(main())
