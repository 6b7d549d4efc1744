"""Outputs of adapters as texts of the journal."""

from __future__ import annotations

import json
from typing import Any


def text_of(output: Any) -> str:
    """The form of an output in the journal: JSON where that is faithful, else its `repr`, cut."""
    try:
        return json.dumps(output)
    except (TypeError, ValueError, RecursionError):
        return shown(output)


def from_text(text: str | None) -> Any:
    """The output behind `text_of`; `None` if the journal has only its `repr`."""
    if text is None:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def shown(value: Any) -> str:
    """The beginning of its `repr`. An output that cannot be shown is no reason to end a run that was paid for."""
    try:
        return repr(value)[:2_000].encode("utf-8", "backslashreplace").decode()
    except Exception:
        return f"<{type(value).__name__}>"
