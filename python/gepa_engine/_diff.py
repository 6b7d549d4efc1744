"""Two candidates of a stored run beside each other."""

from __future__ import annotations

import difflib
import html
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Diff:
    """Texts that changed, and examples that were won and lost."""

    before: int
    after: int
    #: By component: the text before and after, where they differ.
    texts: dict[str, tuple[str, str]]
    #: Positions in the validation set where the second candidate scores higher, lower, and the same.
    won: list[int]
    lost: list[int]
    same: list[int]
    #: The mean difference over the examples on which both have a score; `None` if there is none.
    gain: float | None

    def __str__(self) -> str:
        lines: list[str] = []
        for name, (before, after) in self.texts.items():
            lines += difflib.unified_diff(
                before.splitlines(),
                after.splitlines(),
                f"{name} of candidate {self.before}",
                f"{name} of candidate {self.after}",
                lineterm="",
            )
        return "\n".join([*lines, self._summary()])

    def _summary(self) -> str:
        gain = "no example has a score of both" if self.gain is None else f"mean difference {self.gain:+.3f}"
        return f"{len(self.won)} examples won, {len(self.lost)} lost, {len(self.same)} the same; {gain}"

    def _repr_html_(self) -> str:
        shown = []
        for line in str(self).splitlines():
            colour = {"+": "#1a7f37", "-": "#cf222e"}.get(line[:1], "inherit")
            shown.append(f'<span style="color:{colour}">{html.escape(line)}</span>')
        return "<pre>" + "\n".join(shown) + "</pre>"


def diff_of(before: dict[str, Any], after: dict[str, Any]) -> Diff:
    """The difference between two rows of the table of candidates."""
    old, new = before["components"], after["components"]
    texts = {
        name: (old.get(name, ""), new.get(name, ""))
        for name in dict.fromkeys([*old, *new])
        if old.get(name) != new.get(name)
    }
    pairs = [
        (place, one, other)
        for place, (one, other) in enumerate(zip(before["scores"] or (), after["scores"] or (), strict=False))
        if one is not None and other is not None
    ]
    return Diff(
        before=before["index"],
        after=after["index"],
        texts=texts,
        won=[place for place, one, other in pairs if other > one],
        lost=[place for place, one, other in pairs if other < one],
        same=[place for place, one, other in pairs if other == one],
        gain=sum(other - one for _, one, other in pairs) / len(pairs) if pairs else None,
    )
