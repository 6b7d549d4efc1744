"""Prints passed tests by file, bare and on this engine, from two JUnit reports."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ElementTree
from collections import defaultdict


def passed(report: str) -> tuple[set[tuple[str, str]], dict[str, int]]:
    """The tests that passed, and the number of tests by file."""
    good, total = set(), defaultdict(int)
    for case in ElementTree.parse(report).iter("testcase"):
        file = (case.get("classname") or "").removeprefix("tests.").split(".")[0]
        total[file] += 1
        if not any(child.tag in ("failure", "error", "skipped") for child in case):
            good.add((file, f"{case.get('classname')}::{case.get('name')}"))
    return good, total


def main() -> int:
    bare, total = passed(sys.argv[1])
    ours, _ = passed(sys.argv[2])
    print(f"{'file':<44} {'tests':>5} {'bare':>5} {'ours':>5}")
    for file in sorted(total):
        counts = [sum(one[0] == file for one in side) for side in (bare, ours)]
        print(f"{file:<44} {total[file]:>5} {counts[0]:>5} {counts[1]:>5}")
    print(f"{'all':<44} {sum(total.values()):>5} {len(bare):>5} {len(ours):>5}")
    lost = sorted(bare - ours)
    for _, name in lost:
        print(f"passes bare and fails on this engine: {name}")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
