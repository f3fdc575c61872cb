"""The agent over the Model Context Protocol, with its official Python SDK."""

import asyncio
from typing import Any

import httpx2
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from model import REQUEST, Final, next_step
from place import gateway, show


async def main() -> None:
    """Triage one ticket, and print the run's timeline."""
    url, key = gateway()
    async with httpx2.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=75) as http:
        run = (await ask(http, "POST", "/v1/runs", {"work_unit": "invoice ticket", "agent_version": "triage-1"}))["id"]
        try:
            async with Client(streamable_http_client(f"{url}/mcp?tools=direct", http_client=http)) as tools:
                await note(http, run, "user_request", REQUEST)
                results: list[Any] = []
                while not isinstance(step := next_step(results), Final):
                    await note(http, run, "model_output", f"call {step.action}")
                    said = {"gatehouse/run": run, "gatehouse/idempotency_key": f"{run}.{step.id}"}
                    result = await tools.call_tool(step.action.replace(".", "__"), step.input, meta=said)
                    if result.is_error:
                        raise RuntimeError(result.content)
                    results.append(result.structured_content)
                await note(http, run, "final_output", step.text)
        except Exception as error:
            await ask(http, "POST", f"/v1/runs/{run}/outcome", {"result": "failed", "cause": str(error)[:2000]})
            raise
        await ask(http, "POST", f"/v1/runs/{run}/outcome", {"result": "succeeded", "quantity": "1"})
        items = (await ask(http, "GET", f"/v1/runs/{run}?limit=200"))["items"]
        show((item["seq"], item["type"], item["data"]) for item in items)


async def note(http: httpx2.AsyncClient, run: str, type: str, text: str) -> None:
    """Add what only the agent knows to its run."""
    await ask(http, "POST", f"/v1/runs/{run}/events", {"type": type, "data": {"text": text}})


async def ask(http: httpx2.AsyncClient, method: str, path: str, body: object = None) -> Any:
    """Ask what is not a tool: runs belong to the agent and not to the model."""
    answer = await http.request(method, path, json=body)
    answer.raise_for_status()
    return answer.json()


if __name__ == "__main__":
    asyncio.run(main())
