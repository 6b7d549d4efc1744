"""The reflection model: a function, or the name of a model that litellm knows."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Mapping
from typing import Any


class _Counted:
    """Tokens and cost so far. With a schedule several threads call a model, and no count of theirs may get lost."""

    def __init__(self) -> None:
        self.total_cost = 0.0
        self.total_tokens_in = 0
        self.total_tokens_out = 0
        self._lock = threading.Lock()

    def _count(self, tokens_in: int, tokens_out: int, cost: float) -> None:
        with self._lock:
            self.total_tokens_in += tokens_in
            self.total_tokens_out += tokens_out
            self.total_cost += cost


class LitellmModel(_Counted):
    """A model called through litellm, with its tokens and cost counted."""

    def __init__(self, name: str, options: Mapping[str, Any] | None = None) -> None:
        try:
            self._litellm: Any = importlib.import_module("litellm")
        except ImportError as error:
            raise ImportError(
                f"reflection_lm={name!r} names a model, and models are called through litellm: "
                "pip install 'gepa-engine[reflection]', or pass a function from prompt to text"
            ) from error
        self.name = name
        self.options = {"num_retries": 3, "drop_params": True, **(options or {})}
        super().__init__()

    def __call__(self, prompt: str | list[dict[str, Any]]) -> str | None:
        """The model's reply to a prompt or to messages; `None` where it gave no text."""
        messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
        reply = self._litellm.completion(model=self.name, messages=messages, **self.options)
        usage = getattr(reply, "usage", None)
        try:
            cost = float(self._litellm.completion_cost(completion_response=reply) or 0.0)
        except Exception:
            # A model without a known price costs nothing here; its tokens are counted all the same.
            cost = 0.0
        self._count(
            int(getattr(usage, "prompt_tokens", 0) or 0), int(getattr(usage, "completion_tokens", 0) or 0), cost
        )
        content = reply.choices[0].message.content
        return None if content is None else str(content)


class CountedModel(_Counted):
    """A function as a model: its tokens are estimated, four characters each, and its cost is unknown."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        super().__init__()

    def __call__(self, prompt: Any) -> Any:
        """The function's reply."""
        self._count(len(str(prompt)) // 4, 0, 0.0)
        reply = self._function(prompt)
        if isinstance(reply, str):
            self._count(0, len(reply) // 4, 0.0)
        return reply

    def __getattr__(self, name: str) -> Any:
        return getattr(self._function, name)


def model_of(model: Any, options: Mapping[str, Any] | None) -> Any:
    """Something to call with a prompt."""
    if isinstance(model, str):
        return LitellmModel(model, options)
    if model is None or hasattr(model, "total_cost"):
        return model
    return CountedModel(model)
