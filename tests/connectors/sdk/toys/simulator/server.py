"""Notes in boxes, whose names ignore case. Links are made anew each time; notes take idempotency keys."""

from collections.abc import Mapping
from typing import Any, ClassVar

from connectors.sdk.simulator import Answer, Call, Client, Consent, OAuthServer, Refusal, Routes, Simulator

PASTED, CLIENT = "toys-pasted", Client("toys-client", "toys-secret")


class ToysSimulator(Simulator):
    credential: ClassVar[Mapping[str, str]] = {"token": PASTED}

    def seed(self) -> None:
        self.notes: dict[str, dict[str, Any]] = {}
        self.links: dict[str, list[str]] = {}
        self.keys: dict[str, Answer] = {}
        self.oauth = OAuthServer(CLIENT, self.clock)
        for text in ("First", "Second", "Third"):
            self.add(text)

    def add(self, text: str) -> dict[str, Any]:
        id = f"n{len(self.notes) + 1}"
        self.notes[id] = {"id": id, "text": text, "public": False, "box": "team"}
        return self.notes[id]

    def consent(self) -> Consent | None:
        return Consent({"client_id": CLIENT.id, "client_secret": CLIENT.secret, **self.oauth.issue()})

    def respond(self, call: Call) -> Answer:
        if call.path == "/token":
            return self.oauth.token(call)
        token = call.headers.get("authorization", "").removeprefix("Bearer ")
        if token != PASTED and not self.oauth.knows(token):
            return self.broken(401)
        found = ROUTES.find(call.method, call.path)
        if found is None:
            return self.broken(404)
        name, call.values = found
        answer: Answer = getattr(self, name)(call)
        return answer

    def me(self, call: Call) -> Answer:
        return Answer.of({"id": "u1"})

    def list(self, call: Call) -> Answer:
        self.check_box(call)
        start, limit = int(call.query.get("after", "0")), int(call.query.get("limit", "20"))
        notes = list(self.notes.values())
        end = start + limit
        return Answer.of({"notes": notes[start:end], "next": str(end) if end < len(notes) else None})

    def get(self, call: Call) -> Answer:
        return Answer.of(self.note(call))

    def number(self, call: Call) -> Answer:
        found = self.notes.get(f"n{call.values['number']}")
        return Answer.of(found) if found else self.broken(404)

    def create(self, call: Call) -> Answer:
        self.check_box(call)
        key = call.headers.get("idempotency-key")
        if key in self.keys:
            return self.keys[key]
        call.applied()
        answer = Answer.of(self.add(str(call.fields()["text"])), 201)
        if key:
            self.keys[key] = answer
        return answer

    def update(self, call: Call) -> Answer:
        self.note(call)["public"] = True
        call.applied()
        return Answer.of(self.note(call))

    def delete(self, call: Call) -> Answer:
        del self.notes[self.note(call)["id"]]
        call.applied()
        return Answer(204)

    def show_links(self, call: Call) -> Answer:
        return Answer.of({"links": self.links.get(self.note(call)["id"], [])})

    def link(self, call: Call) -> Answer:
        links = self.links.setdefault(self.note(call)["id"], [])
        links.append(f"secret-link-{len(links) + 1}")
        call.applied()
        return Answer.of({"link": links[-1]}, 201)

    def note(self, call: Call) -> dict[str, Any]:
        self.check_box(call)
        found = self.notes.get(call.values["note"])
        if found is None:
            raise Refusal(self.broken(404))
        return found

    def check_box(self, call: Call) -> None:
        if call.values["box"].lower() not in {"team", "team."}:
            raise Refusal(self.broken(404))


ROUTES: Routes[str] = Routes(
    [
        ("GET", "/me", "me"),
        ("GET", "/numbers/{number}", "number"),
        ("GET", "/boxes/{box}/notes", "list"),
        ("POST", "/boxes/{box}/notes", "create"),
        ("GET", "/boxes/{box}/notes/{note}", "get"),
        ("PATCH", "/boxes/{box}/notes/{note}", "update"),
        ("DELETE", "/boxes/{box}/notes/{note}", "delete"),
        ("GET", "/boxes/{box}/notes/{note}/links", "show_links"),
        ("POST", "/boxes/{box}/notes/{note}/links", "link"),
    ]
)
