"""The agent with LangChain: its tools over the client, its messages, and a chat model."""

import json
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from model import REQUEST, TOOLS, Final, next_step
from place import gateway, show

from gatehouse_client import Gatehouse
from gatehouse_client.adapters.langchain import tools
from gatehouse_client.tools import tool_name


class ScriptedModel(BaseChatModel):
    """The written-down model as LangChain sees one. Any other chat model goes in its place."""

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Any, **options: Any) -> Runnable[Any, AIMessage]:
        """Return this: it knows the tools' names."""
        return self

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **options: Any,
    ) -> ChatResult:
        step = next_step([json.loads(str(one.content)) for one in messages if isinstance(one, ToolMessage)])
        if isinstance(step, Final):
            said = AIMessage(step.text)
        else:
            said = AIMessage("", tool_calls=[{"name": tool_name(step.action), "args": step.input, "id": step.id}])
        return ChatResult(generations=[ChatGeneration(message=said)])


def main() -> None:
    """Triage one ticket, and print the run's timeline."""
    with Gatehouse(*gateway()) as gh, gh.run("invoice ticket", agent_version="triage-1") as run:
        known = {tool.name: tool for tool in tools(run, [gh.describe(name) for name in TOOLS])}
        model = ScriptedModel().bind_tools(list(known.values()))
        run.user_request(REQUEST)
        messages: list[BaseMessage] = [HumanMessage(REQUEST)]
        while True:
            said = model.invoke(messages)
            messages.append(said)
            run.model_output({"text": str(said.content), "calls": [call["name"] for call in said.tool_calls]})
            if not said.tool_calls:
                break
            messages += [known[call["name"]].invoke(call) for call in said.tool_calls]
        run.final_output(str(said.content))
        run.outcome("succeeded", quantity="1")
        run.close()
        show((event.seq, event.type, event.data) for event in run.events())


if __name__ == "__main__":
    main()
