"""The simulated Acme Notes: notes in spaces, idempotency keys, paging, a token."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from connectors.sdk.simulator import Answer, Call, Refusal, Routes, Simulator

TOKEN = "acme_notes-sandbox"
Handler = Callable[["AcmeNotesSimulator", Call, Mapping[str, str]], Answer]


class AcmeNotesSimulator(Simulator):
    """Acme Notes's notes API. `spaces` is the state."""

    credential: ClassVar[Mapping[str, str]] = {"token": TOKEN}

    def seed(self) -> None:
        """One space with three notes."""
        self.spaces: dict[str, list[dict[str, Any]]] = {"team": []}
        self.answered: dict[str, Answer] = {}
        for text in ("First", "Second", "Third"):
            self.add("team", text)

    def add(self, space: str, text: str) -> dict[str, Any]:
        """Put a note into a space."""
        notes = self.spaces[space]
        note = {"id": f"n{len(notes) + 1}", "text": text}
        notes.append(note)
        return note

    def respond(self, call: Call) -> Answer:
        """Answer one request."""
        if call.headers.get("authorization") != f"Bearer {TOKEN}":
            return Answer.of({"message": "Bad token"}, 401)
        found = _ROUTES.find(call.method, call.path)
        if found is None:
            return _missing("path")
        handler, values = found
        return handler(self, call, values)


def _me(simulator: AcmeNotesSimulator, call: Call, values: Mapping[str, str]) -> Answer:
    del simulator, call, values
    return Answer.of({"id": "u1", "name": "Sandbox"})


def _list(simulator: AcmeNotesSimulator, call: Call, values: Mapping[str, str]) -> Answer:
    notes = _space(simulator, values)
    start, limit = int(call.query.get("after", "0")), int(call.query.get("limit", "20"))
    end = start + limit
    following = str(end) if end < len(notes) else None
    return Answer.of({"notes": notes[start:end], "next": following})


def _get(simulator: AcmeNotesSimulator, call: Call, values: Mapping[str, str]) -> Answer:
    del call
    found = next((note for note in _space(simulator, values) if note["id"] == values["note"]), None)
    return Answer.of(found) if found is not None else _missing("note")


def _create(simulator: AcmeNotesSimulator, call: Call, values: Mapping[str, str]) -> Answer:
    _space(simulator, values)
    key = call.headers.get("idempotency-key", "")
    if key and key in simulator.answered:
        return simulator.answered[key]
    text = call.fields().get("text")
    if not isinstance(text, str) or not text:
        return Answer.of({"message": "text is missing"}, 422)
    answer = Answer.of(simulator.add(values["space"], text), 201)
    simulator.answered[key] = answer
    call.applied()
    return answer


def _space(simulator: AcmeNotesSimulator, values: Mapping[str, str]) -> list[dict[str, Any]]:
    notes = simulator.spaces.get(values["space"])
    if notes is None:
        raise Refusal(_missing("space"))
    return notes


def _missing(what: str) -> Answer:
    return Answer.of({"message": f"There is no such {what}"}, 404)


_ROUTES: Routes[Handler] = Routes(
    [
        ("GET", "/v1/me", _me),
        ("GET", "/v1/spaces/{space}/notes", _list),
        ("GET", "/v1/spaces/{space}/notes/{note}", _get),
        ("POST", "/v1/spaces/{space}/notes", _create),
    ]
)
