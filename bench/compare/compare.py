"""Runs every system on the same worlds and writes tables and pictures; `run.sh` prepares it all."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

from harness.plan import measured, quick
from harness.report import write_report
from harness.running import Runner, read
from harness.server import WorldServer
from harness.systems import HERE, Programs


def main() -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    given = arguments()
    experiments = quick() if given.quick else measured()
    results = HERE / "results" / ("quick" if given.quick else "")
    results.mkdir(parents=True, exist_ok=True)
    records = results / "records.jsonl"
    if given.fresh or given.quick:
        records.unlink(missing_ok=True)
    chosen = [one for one in experiments if not given.only or one.name in given.only]
    if not given.report:
        if given.ours is None or given.server is None:
            print("--ours and --server must name programs; run.sh builds them", file=sys.stderr)
            return 2
        programs = Programs(
            ours=given.ours,
            server=given.server,
            crate=given.crate,
            reference_python=Path(sys.executable),
            synth_python=given.synth_python,
        )
        with WorldServer(programs.server) as server:
            runner = Runner(server, programs, records, HERE / ".work")
            for experiment in chosen:
                runner.carry_out(experiment)
    docs = HERE.parent.parent / "docs"
    pictures, document = docs / "pictures", docs / "benchmarks.md"
    if given.quick:
        pictures, document = results, None
    write_report(read(records), results, pictures, document)
    broken = [one for one in read(records) if one.get("outcome") not in (None, "finished")]
    for record in broken:
        print(f"NOT FINISHED: {record['key']}: {record['outcome']}")
    return 1 if any(record["kind"] == "ours" for record in broken) else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute, for CI; claims nothing")
    parser.add_argument("--only", nargs="*", help="of the experiments: rollouts, time, small")
    parser.add_argument("--fresh", action="store_true", help="forget the records there are")
    parser.add_argument("--report", action="store_true", help="only tables and pictures")
    parser.add_argument("--ours", type=program, help="the gepa binary")
    parser.add_argument("--server", type=program, help="the world server")
    parser.add_argument("--crate", type=program, help="the driver of the crate")
    parser.add_argument("--synth-python", type=program, help="a Python with synth-optimizers")
    return parser.parse_args()


def program(text: str) -> Path | None:
    """A program that exists; others are left out of the comparison."""
    path = Path(text).absolute()
    return path if text and os.access(path, os.X_OK) else None


if __name__ == "__main__":
    sys.exit(main())
