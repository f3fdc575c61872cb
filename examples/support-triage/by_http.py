"""The agent over the API itself: what every client does, written out."""

import time
import uuid
from typing import Any

import httpx
from model import REQUEST, Final, next_step
from place import gateway, show

TRIES = 6


def main() -> None:
    """Triage one ticket, and print the run's timeline."""
    url, key = gateway()
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=75) as http:
        run = ask(http, "POST", "/v1/runs", {"work_unit": "invoice ticket", "agent_version": "triage-1"})["id"]
        try:
            note(http, run, "user_request", REQUEST)
            results: list[Any] = []
            while not isinstance(step := next_step(results), Final):
                note(http, run, "model_output", f"call {step.action}")
                results.append(call(http, run, step.action, step.input))
            note(http, run, "final_output", step.text)
        except Exception as error:
            ask(http, "POST", f"/v1/runs/{run}/outcome", {"result": "failed", "cause": str(error)[:2000]})
            raise
        ask(http, "POST", f"/v1/runs/{run}/outcome", {"result": "succeeded", "quantity": "1"})
        items, cursor = [], None
        while cursor is not None or not items:
            page = ask(http, "GET", f"/v1/runs/{run}?limit=200" + (f"&cursor={cursor}" if cursor else ""))
            items, cursor = items + page["items"], page["next_cursor"]
            if cursor is None:
                break
        show((item["seq"], item["type"], item["data"]) for item in items)


def call(http: httpx.Client, run: str, action: str, input: dict[str, Any]) -> Any:
    """Run an action once, however often it is sent, and return its output."""
    headers = {"Gatehouse-Run": run, "Idempotency-Key": str(uuid.uuid4())}  # one key for all tries
    for tries in range(1, TRIES + 1):
        try:
            answer = http.post(f"/v1/actions/{action}", json=input, headers=headers)
        except httpx.TransportError:
            if tries == TRIES:
                raise
            time.sleep(0.25 * 2**tries)
            continue
        body = answer.json()
        if answer.status_code < 400:
            return ended(http, body)["output"]
        if not body["retryable"] or tries == TRIES:
            raise RuntimeError(f"{body['code']}: {body['detail']} {body.get('hint', '')}")
        time.sleep(body.get("retry_after_ms", 250 * 2**tries) / 1000)
    raise AssertionError


def ended(http: httpx.Client, body: Any) -> Any:
    """Wait for a call that waits for a person, or still runs."""
    while body["status"] in {"pending_approval", "queued", "running"}:
        body = ask(http, "GET", f"/v1/calls/{body['id']}?wait=60")
    if "error" in body:
        raise RuntimeError(f"{body['error']['code']}: {body['error']['detail']}")
    return body


def note(http: httpx.Client, run: str, type: str, text: str) -> None:
    """Add what only the agent knows to its run."""
    ask(http, "POST", f"/v1/runs/{run}/events", {"type": type, "data": {"text": text}})


def ask(http: httpx.Client, method: str, path: str, body: object = None) -> Any:
    """Ask anything else."""
    answer = http.request(method, path, json=body)
    answer.raise_for_status()
    return answer.json()


if __name__ == "__main__":
    main()
