"""The reflection model: a function, or the name of a model that litellm knows."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any


class LitellmModel:
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
        self.total_cost = 0.0
        self.total_tokens_in = 0
        self.total_tokens_out = 0

    def __call__(self, prompt: str | list[dict[str, Any]]) -> str:
        """The model's reply to a prompt or to messages."""
        messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
        reply = self._litellm.completion(model=self.name, messages=messages, **self.options)
        usage = getattr(reply, "usage", None)
        self.total_tokens_in += int(getattr(usage, "prompt_tokens", 0) or 0)
        self.total_tokens_out += int(getattr(usage, "completion_tokens", 0) or 0)
        try:
            self.total_cost += float(self._litellm.completion_cost(completion_response=reply) or 0.0)
        except Exception:
            # A model without a known price costs nothing here; its tokens are counted all the same.
            self.total_cost += 0.0
        return str(reply.choices[0].message.content or "")


class CountedModel:
    """A function as a model: its tokens are estimated, four characters each, and its cost is unknown."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self.total_cost = 0.0
        self.total_tokens_in = 0
        self.total_tokens_out = 0

    def __call__(self, prompt: Any) -> Any:
        """The function's reply."""
        self.total_tokens_in += len(str(prompt)) // 4
        reply = self._function(prompt)
        if isinstance(reply, str):
            self.total_tokens_out += len(reply) // 4
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
