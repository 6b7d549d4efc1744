"""What a process and its children use, read from /proc (Linux)."""

from __future__ import annotations

import os
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """CPU time of one process, user and system."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / TICKS


def peak_megabytes(pid: int) -> float:
    """The most memory a process and its living descendants have had resident, each by itself."""
    return sum(_peak_of(one) for one in _tree(pid))


def machine_seconds() -> tuple[float, float]:
    """Busy and all CPU seconds of the machine since it started."""
    numbers = [int(one) for one in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    everything = sum(numbers)
    idle = numbers[3] + numbers[4]
    return (everything - idle) / TICKS, everything / TICKS


def _tree(pid: int) -> list[int]:
    found = [pid]
    for one in found:
        try:
            tasks = list(Path(f"/proc/{one}/task").iterdir())
        except OSError:
            continue
        for task in tasks:
            try:
                found += [int(child) for child in (task / "children").read_text().split()]
            except OSError:
                continue
    return found


def _peak_of(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _stat(pid: int) -> list[str]:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ["0"] * 50
    return text.rsplit(")", 1)[1].split()
