"""Callbacks, told in the order of the reference implementation."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any


class Events:
    """Calls `on_...` of each callback that has it. An exception in a callback is a warning."""

    def __init__(self, callbacks: Sequence[Any] | None) -> None:
        self._callbacks = list(callbacks or ())

    @property
    def are_heard(self) -> bool:
        """Whether there is any callback."""
        return bool(self._callbacks)

    def hears(self, name: str) -> bool:
        """Whether any callback takes this event, so that its fields are worth computing."""
        return any(hasattr(callback, name) for callback in self._callbacks)

    def tell(self, name: str, **fields: Any) -> None:
        """Tells every callback of one event."""
        for callback in self._callbacks:
            method = getattr(callback, name, None)
            if method is None:
                continue
            try:
                method(dict(fields))
            except Exception as error:
                warnings.warn(f"callback {name} failed: {type(error).__name__}: {error}", stacklevel=2)


class Printer:
    """Prints one line per message."""

    def log(self, message: str) -> None:
        """Prints the message."""
        _print(message)


class FileLogger:
    """Prints, and appends to a file in the run's folder."""

    def __init__(self, path: str) -> None:
        self._path = path

    def log(self, message: str) -> None:
        """Prints the message and writes it down."""
        _print(message)
        with open(self._path, "a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(message + "\n")


class Silent:
    """Takes messages and drops them."""

    def log(self, message: str) -> None:
        """Does nothing."""


def _print(message: str) -> None:
    try:
        print(message)
    except UnicodeEncodeError:
        # A console that lacks a character is no reason to end a run.
        print(message.encode("ascii", "backslashreplace").decode())
