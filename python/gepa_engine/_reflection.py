"""From the records of a minibatch to new texts."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ._types import Candidate, ProposalFn, ReflectiveDataset

Job = tuple[Candidate, ReflectiveDataset, list[str]]
Log = Callable[[str], None]

CURRENT = "<curr_param>"
RECORDS = "<side_info>"
FENCE = "```"

DEFAULT_TEMPLATE = f"""A language model works from the text below. Your task is to write a better one.

The text now:
{FENCE}
{CURRENT}
{FENCE}

What happened when it was used, with feedback on every case:
{FENCE}
{RECORDS}
{FENCE}

Read every case. Find out what the task asks for, in which form answers are expected, and which facts or
steps the model lacked. Then write a new text that states them, and that also holds for cases which are not
shown here. Keep what works. Give the whole new text between three backticks, and nothing after it.
"""


@dataclass
class NewTexts:
    """What one reflection proposed, and how it came to it."""

    texts: dict[str, str]
    prompts: dict[str, Any] = field(default_factory=dict)
    raw: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)


class Reflector(Protocol):
    """Proposes new texts for the tasks of an iteration."""

    def propose(self, jobs: list[Job]) -> list[NewTexts]:
        """One answer for each job, in order."""
        ...


class CalledProposer:
    """A function of the user's, asked once for each task."""

    def __init__(self, propose: ProposalFn, wait: Callable[[Any], Any]) -> None:
        self._propose = propose
        self._wait = wait

    def propose(self, jobs: list[Job]) -> list[NewTexts]:
        answers = [self._wait(self._propose(*job)) for job in jobs]
        return [NewTexts(dict(texts or {})) for texts in answers]


class ModelReflector:
    """A reflection model: one call for each component of each task."""

    def __init__(
        self, model: Callable[..., str], template: str | Mapping[str, str] | None, wait: Callable[[Any], Any]
    ) -> None:
        self._model = model
        self._template = template
        self._wait = wait

    def propose(self, jobs: list[Job]) -> list[NewTexts]:
        answers = [NewTexts({}) for _ in jobs]
        asked: list[tuple[int, str, Any]] = []
        for place, (candidate, dataset, components) in enumerate(jobs):
            for name in components:
                if dataset.get(name):
                    prompt = render(self._template_of(name), candidate[name], dataset[name])
                    asked.append((place, name, prompt))
        for (place, name, prompt), reply in zip(asked, self._replies(asked), strict=True):
            answer = answers[place]
            answer.texts[name] = extract(reply)
            answer.prompts[name] = prompt
            answer.raw[name] = reply
        return answers

    def _replies(self, asked: list[tuple[int, str, Any]]) -> list[str]:
        prompts = [prompt for _, _, prompt in asked]
        batch = getattr(self._model, "batch_complete", None)
        if batch is not None and len(prompts) > 1:
            messages = [
                prompt if isinstance(prompt, list) else [{"role": "user", "content": prompt}] for prompt in prompts
            ]
            return [reply_of(reply) for reply in self._wait(batch(messages))]
        return [reply_of(self._wait(self._model(prompt))) for prompt in prompts]

    def _template_of(self, component: str) -> str:
        if isinstance(self._template, Mapping):
            return self._template.get(component) or DEFAULT_TEMPLATE
        return self._template or DEFAULT_TEMPLATE


class StrategyReflector:
    """An object with `reflect` (and perhaps `reflect_many`), which may return its successor."""

    def __init__(self, strategy: Any) -> None:
        self._strategy = strategy

    def propose(self, jobs: list[Job]) -> list[NewTexts]:
        many = getattr(self._strategy, "reflect_many", None)
        if many is not None:
            pairs = list(many(jobs))
            if len(pairs) != len(jobs):
                raise ValueError(f"reflect_many returned {len(pairs)} results for {len(jobs)} jobs")
        else:
            pairs = []
            for job in jobs:
                proposal, self._strategy = self._strategy.reflect(*job)
                pairs.append((proposal, self._strategy))
        if pairs:
            self._strategy = pairs[-1][1]
        return [
            NewTexts(
                dict(proposal.new_texts),
                dict(getattr(proposal, "prompts", None) or {}),
                dict(getattr(proposal, "raw_lm_outputs", None) or {}),
                dict(getattr(proposal, "metadata", None) or {}),
            )
            for proposal, _ in pairs
        ]


def propose_safely(reflector: Reflector, jobs: list[Job], log: Log) -> list[NewTexts | None]:
    """Asks for all tasks at once and, if that fails, once more for each on its own.

    A task whose call fails again gets `None`, so that the others go on.
    """
    if not jobs:
        return []
    try:
        return list(reflector.propose(jobs))
    except Exception as error:
        log(f"the reflection failed ({type(error).__name__}: {error}); asking again, task by task")
    answers: list[NewTexts | None] = []
    for job in jobs:
        try:
            answers.append(reflector.propose([job])[0])
        except Exception as error:
            log(f"the reflection of one task failed again: {type(error).__name__}: {error}")
            answers.append(None)
    return answers


def check_template(template: str | Mapping[str, str] | None) -> None:
    """Every template needs both placeholders."""
    templates = template.values() if isinstance(template, Mapping) else [template]
    for one in templates:
        missing = [name for name in (CURRENT, RECORDS) if one is not None and name not in one]
        if missing:
            raise ValueError(f"Missing placeholder(s) in prompt template: {', '.join(missing)}")


def render(template: str, current: str, records: Sequence[Mapping[str, Any]]) -> str | list[dict[str, Any]]:
    """The prompt; with images, one user message of text and image parts."""
    images: list[Any] = []
    parts = [_record(record, number, images) for number, record in enumerate(records, 1)]
    # One pass, so that a placeholder inside the text or a record stays as it is.
    before, _, after = template.partition(CURRENT)
    filled = [piece.replace(RECORDS, "\n\n".join(parts)) for piece in (before, after)]
    text = filled[0] + current + filled[1]
    if not images:
        return text
    content: list[dict[str, Any]] = [{"type": "text", "text": text}]
    content += [{"type": "image_url", "image_url": {"url": _image_url(image)}} for image in images]
    return [{"role": "user", "content": content}]


def _record(record: Mapping[str, Any], number: int, images: list[Any]) -> str:
    fields = [f"## {key}\n{_value(value, 3, images)}" for key, value in record.items()]
    return f"# Example {number}\n" + "".join(fields)


def _value(value: Any, level: int, images: list[Any]) -> str:
    mark = "#" * min(level, 6)
    if _is_image(value):
        images.append(value)
        return f"[image {len(images)}]\n\n"
    if isinstance(value, Mapping):
        inner = [f"{mark} {key}\n{_value(one, level + 1, images)}" for key, one in value.items()]
        return "".join(inner) or "\n"
    if isinstance(value, (list, tuple)):
        inner = [f"{mark} Item {at}\n{_value(one, level + 1, images)}" for at, one in enumerate(value, 1)]
        return "".join(inner) or "\n"
    return f"{str(value).strip()}\n\n"


def _is_image(value: Any) -> bool:
    return hasattr(value, "media_type") and (hasattr(value, "url") or hasattr(value, "path"))


def _image_url(image: Any) -> str:
    if getattr(image, "url", None):
        return str(image.url)
    data = getattr(image, "base64_data", None)
    if data is None:
        with open(os.fspath(image.path), "rb") as file:
            data = base64.b64encode(file.read()).decode("ascii")
    return f"data:{image.media_type or 'image/png'};base64,{data}"


def reply_of(answer: Any) -> str:
    """The model's reply. Some clients return `None` for a refusal, which is no text to go on with."""
    if not isinstance(answer, str):
        raise TypeError(f"the reflection model returned an object of type {type(answer).__name__} instead of a text")
    return answer


def extract(reply: str) -> str:
    """The text between the outermost fences, or the whole reply where there are none."""
    reply = reply.strip()
    first, last = reply.find(FENCE), reply.rfind(FENCE)
    if first == -1:
        return reply
    if first == last:
        # One fence is missing: the text lies after an opening or before a closing one.
        return _without_tag(reply[3:]).strip() if first == 0 else reply[:first].strip() or reply[3:].strip()
    return _without_tag(reply[first + 3 : last]).strip()


def _without_tag(block: str) -> str:
    tag, newline, rest = block.partition("\n")
    return rest if newline and tag and not any(character.isspace() for character in tag) else block
