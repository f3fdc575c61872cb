"""The agent over the Python client."""

from typing import Any

from model import REQUEST, Final, next_step
from place import gateway, show

from gatehouse_client import Gatehouse


def main() -> None:
    """Triage one ticket, and print the run's timeline."""
    with Gatehouse(*gateway()) as gh, gh.run("invoice ticket", agent_version="triage-1") as run:
        run.user_request(REQUEST)
        results: list[Any] = []
        while not isinstance(step := next_step(results), Final):
            run.model_output(f"call {step.action}")
            results.append(run.using(key=f"{run.id}.{step.id}").call(step.action, step.input).output)
        run.final_output(step.text)
        run.outcome("succeeded", quantity="1")
        run.close()
        show((event.seq, event.type, event.data) for event in run.events())


if __name__ == "__main__":
    main()
