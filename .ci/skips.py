"""Lists what was skipped in the logs given, and fails for what .ci/allowed_skips.txt does not excuse.

Usage: skips.py LOG...
Only with CI=true in the environment does an unexcused skip give exit code 1.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

ALLOWED = Path(__file__).resolve().parent / "allowed_skips.txt"
# Tests write `SKIPPED: why` to standard error; other tests' lines may stand before it.
SKIP = re.compile(r"SKIPPED:? .*")


def main() -> int:
    excuses = read_excuses(ALLOWED.read_text("utf-8"))
    found: dict[str, int] = {}
    for name in sys.argv[1:]:
        for line in Path(name).read_text("utf-8", errors="replace").splitlines():
            skip = SKIP.search(line)
            if skip:
                found[skip.group()] = found.get(skip.group(), 0) + 1
    unexcused = 0
    for text, count in sorted(found.items()):
        reason = next((reason for part, reason in excuses if part in text), None)
        unexcused += reason is None
        print(f"{text} ({count} times; {reason or 'not in .ci/allowed_skips.txt'})")
    if unexcused and os.environ.get("CI") == "true":
        print(f"{unexcused} tests were skipped without an entry in .ci/allowed_skips.txt")
        return 1
    return 0


def read_excuses(text: str) -> list[tuple[str, str]]:
    """Lines `PART OF THE TEXT = REASON`; both must be there."""
    excuses = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        part, equals, reason = (piece.strip() for piece in line.partition(" = "))
        if not part or not equals or not reason:
            sys.exit(f"{ALLOWED.name}: a line is `PART OF THE TEXT = REASON`, not {line!r}")
        excuses.append((part, reason))
    return excuses


if __name__ == "__main__":
    sys.exit(main())
