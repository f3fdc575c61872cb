"""The first state: the projects `OPS` and `WEB`, three people, an app, and a few issues."""

from connectors.jira.simulator.world import IN_PROGRESS, TYPES, User, World

AGENT = User("712020:00000000-0000-4000-8000-000000000001", "Agent", "agent@acme.example")
ANA = User("712020:00000000-0000-4000-8000-000000000002", "Ana Ortiz", "ana@acme.example")
BO = User("5b10ac8d82e05b22cc7d4ef5", "Bo Lind", "bo@acme.example")


def text(words: str) -> dict[str, object]:
    """Return ADF of one paragraph."""
    return {
        "version": 1,
        "type": "doc",
        "content": [{"type": "paragraph", "content": [{"type": "text", "text": words}]}],
    }


def seeded(now: float) -> World:
    """Return a fresh world. Nothing in it counts as an effect."""
    world = World()
    for user in (AGENT, ANA, BO):
        world.add_user(user)
    ops = world.add_project("OPS", "Operations", ANA)
    web = world.add_project("WEB", "Website", BO)
    first = world.add_issue(ops, "Rotate the certificates", ANA, now)
    first.description, first.labels, first.assignee = text("They end in May."), ["security"], BO
    second = world.add_issue(ops, "Backups are slow", BO, now, TYPES[1])
    second.status = IN_PROGRESS
    world.add_issue(web, "Welcome page", BO, now).description = text("Make it shorter.")
    return world
