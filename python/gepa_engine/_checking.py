"""Arguments of `optimize` that the engine takes as numbers and texts, checked under the names the caller knows."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from typing import Any

from ._types import Candidate

#: The largest whole number that the engine takes.
LARGEST = (1 << 63) - 1


def whole(name: str, value: Any, least: int, largest: int = LARGEST) -> int:
    """A whole number, also one of numpy's, within its limits."""
    try:
        number = operator.index(value)
    except TypeError as error:
        raise TypeError(f"{name} is {value!r}; it must be a whole number") from error
    if not least <= number <= largest:
        raise ValueError(f"{name} is {number}; it must be from {least} to {largest}")
    return number


def finite(name: str, value: Any) -> float:
    """A number that is neither infinite nor NaN."""
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} is {value!r}; it must be a number") from error
    if not math.isfinite(number):
        raise ValueError(f"{name} is {number}; it must be a finite number")
    return number


def seed_of(seed: Any) -> int:
    """The seed of the run's generator, which takes a number of 64 bits and forgets its sign."""
    limit = (1 << 64) - 1
    return whole("seed", seed, -limit, limit)


def candidate_of(candidate: Any) -> Candidate:
    """A candidate with names and texts that a journal can hold."""
    if not candidate:
        raise ValueError("seed_candidate must contain at least one component text.")
    if not isinstance(candidate, Mapping):
        raise TypeError(
            f"seed_candidate is of type {type(candidate).__name__}; it must be a dictionary from names of components "
            "to texts"
        )
    for name, text in candidate.items():
        if not isinstance(name, str) or not isinstance(text, str):
            raise TypeError(f"seed_candidate[{name!r}] is {text!r}; names of components and their texts must be str")
        if repaired(name) != name or repaired(text) != text:
            raise ValueError(f"seed_candidate[{name!r}] has a surrogate, which is no character; remove it")
    return dict(candidate)


def texts_of(proposed: Mapping[str, Any]) -> dict[str, str]:
    """Proposed texts in a form that a journal can hold. A text that is `None` was not proposed."""
    texts: dict[str, str] = {}
    for name, text in proposed.items():
        if text is None:
            continue
        if not isinstance(text, str):
            raise TypeError(f"the text proposed for {name!r} is of type {type(text).__name__}; it must be a str")
        texts[name] = repaired(text)
    return texts


def repaired(text: str) -> str:
    """The text with pairs of surrogates joined, and U+FFFD for single ones, which models return now and then."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
