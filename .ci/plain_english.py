"""Counts phrases that make a sentence hard to read, and fails where a count has risen.

Usage: plain_english.py            compares with .ci/plain_english_baseline.txt
       plain_english.py --show     prints every place
       plain_english.py --update   writes today's counts as the baseline
       plain_english.py --zero     fails for every place, whatever the baseline says

Looks at comments and messages of Rust, Python and shell files, at Markdown and at TOML. A count may
only fall; after a correction run `--update` and commit the baseline with it. STYLE.md says how to
write instead: subject, verb, object, number, unit.
"""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BASELINE = ROOT / ".ci/plain_english_baseline.txt"
FILES = ["*.rs", "*.md", "*.toml", "*.py", "*.sh", "*.sql"]
EXCEPT = (".ci/plain_english", "bench/compare/results/", "tests/fuzz/corpus/")


@dataclass(frozen=True)
class Phrase:
    """A phrase, how it is found, and what to write instead."""

    name: str
    pattern: str
    instead: str


PHRASES = [
    Phrase("whoever", r"\bwhoever\b", "name the person or the part: the user, the caller"),
    Phrase("whatever", r"\bwhatever\b", "name the thing: any X, every X"),
    Phrase("nobody", r"\bnobody\b|\bno one\b", "name who does not: no caller, no reader"),
    Phrase("someone", r"\bsomeone\b|\bsomebody\b", "name who: the user, another process"),
    Phrase("so many", r"\bso (many|few|much)\b", "give the number or name the setting"),
    Phrase("as far as", r"\bas far as\b", "say the limit: up to X, only where X"),
    Phrase("The same.", r"(?-i:\bThe same\.)", "say what it equals"),
    Phrase("is told", r"\b(is|are|was|be) told\b", "say what gets which message"),
    Phrase("under way", r"\bunder way\b", "running, in flight, started"),
    Phrase("asked for", r"\basked for\b", "requested, wanted"),
    Phrase("in vain", r"\bin vain\b", "without a result, unused"),
    Phrase("made good", r"\bmade good\b", "repeated with success, replaced"),
    Phrase("waits out", r"\bwait(s|ed)? (it|him|them|that) out\b", "waits until X ends"),
    Phrase("of no use", r"\bof no (more |further )?use\b", "unused, cannot be used"),
    Phrase("taken for", r"\b(is|are|was) taken for\b", "counts as"),
    Phrase("stands in line", r"\bstands? in (a )?line\b", "waits in a queue"),
    Phrase("tells apart", r"\btold apart\b|\btells? apart\b", "distinguishes"),
    Phrase("turned away", r"\bturn(s|ed)? away\b", "rejected, refused"),
    Phrase("all alike", r"\ball alike\b", "equally, to the same length"),
]


def main() -> int:
    mode = sys.argv[1] if len(sys.argv) > 1 else ""
    places = {phrase.name: find(phrase) for phrase in PHRASES}
    if mode == "--show":
        for phrase in PHRASES:
            for place in places[phrase.name]:
                print(f"{place}   [{phrase.name}: {phrase.instead}]")
        return 0
    if mode == "--update":
        lines = [f"{name}\t{len(found)}\n" for name, found in places.items()]
        BASELINE.write_text("".join(lines), "utf-8")
        return 0
    allowed = read_baseline() if mode != "--zero" else {}
    failed = False
    for phrase in PHRASES:
        count, most = len(places[phrase.name]), allowed.get(phrase.name, 0)
        if count > most:
            failed = True
            print(f"{phrase.name!r} stands in {count} places, {most} are allowed: {phrase.instead}")
            if not most:
                print("\n".join(f"  {place}" for place in places[phrase.name]))
        elif count < most:
            print(f"{phrase.name!r} fell from {most} to {count}: run .ci/plain_english.py --update")
    return 1 if failed else 0


def find(phrase: Phrase) -> list[str]:
    """`file:line: text` of each place."""
    pattern = re.compile(phrase.pattern, re.IGNORECASE)
    found = []
    for name in tracked():
        for number, line in enumerate(text_of(name).splitlines(), 1):
            found += [f"{name}:{number}: {line.strip()}"] * len(pattern.findall(line))
    return found


def tracked() -> list[str]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *FILES]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    names = listed.stdout.splitlines()
    return [name for name in names if not name.startswith(EXCEPT) and (ROOT / name).exists()]


TEXTS: dict[str, str] = {}


def text_of(name: str) -> str:
    if name not in TEXTS:
        TEXTS[name] = (ROOT / name).read_text("utf-8")
    return TEXTS[name]


def read_baseline() -> dict[str, int]:
    lines = BASELINE.read_text("utf-8").splitlines()
    return {name: int(count) for name, count in (line.split("\t") for line in lines if line)}


if __name__ == "__main__":
    sys.exit(main())
