"""pydantic-gepa on this engine: an agent of Pydantic AI with a function in the place of its model."""

from __future__ import annotations

from typing import Any

import gepa.api
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_gepa import AgentInstructionsInjection, Component, Example, optimize

import gepa_engine

CALLS: list[str] = []


def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """Doubles the number if the instructions say so."""
    said = str(info.instructions or "") + str(messages[0])
    number = str(messages[-1].parts[-1].content)
    CALLS.append(number)
    return ModelResponse(parts=[TextPart(str(2 * int(number)) if "double" in said else number)])


def reflecting_optimize(**given: Any) -> Any:
    """The door of the engine, with a function in the place of the reflection model that the package names."""
    given["reflection_lm"] = lambda prompt: "```\nGive the double.\n```"
    return gepa.api.optimize(**given)


def main() -> None:
    gepa_engine.install()
    assert gepa.api.GEPAEngine.__module__ == "gepa_engine._install"
    agent = Agent(FunctionModel(answer))

    async def double(number: str) -> str:
        return (await agent.run(number)).output

    instructions = Component(name="instructions", initial_text="Give the number.")
    examples = [Example(inputs=str(one), expected_output=str(2 * one)) for one in range(1, 7)]
    result = optimize(
        train=examples,
        validation=examples,
        task=double,
        score=lambda context: float(context.output == context.expected_output),
        components=[instructions],
        injections=[AgentInstructionsInjection(agent=agent, candidate_component=instructions)],
        budget=40,
        optimize_fn=reflecting_optimize,
    )
    print(f"pydantic-gepa: {result.best_candidate} after {len(CALLS)} calls")
    assert "double" in str(result.best_candidate)


if __name__ == "__main__":
    main()
