"""The first state: the account `acme`, its people, two brands and groups, and three tickets."""

from connectors.zendesk.simulator.access import AGENT_EMAIL
from connectors.zendesk.simulator.world import (
    Audit,
    Comment,
    Group,
    Macro,
    Organization,
    Ticket,
    TicketField,
    User,
    View,
    World,
)


def seeded(now: float) -> World:
    """Return a fresh world. Nothing in it counts as an effect."""
    world = World()
    acme, outlet = world.next_id(), world.next_id()
    world.brands = {acme: "Acme", outlet: "Acme Outlet"}
    for name, default in (("Support", True), ("Billing", False)):
        group = Group(world.next_id(), name, now, default)
        world.groups[group.id] = group
    support, billing = world.groups
    globex = Organization(world.next_id(), "Globex", now, ["globex.example"], "crm-7", support)
    initech = Organization(world.next_id(), "Initech", now, ["initech.example"])
    world.organizations = {globex.id: globex, initech.id: initech}
    agent = world.add_user("Acme Agent", AGENT_EMAIL, "admin", now)
    world.add_user("Berta Hill", "berta@acme.example", "agent", now)
    ana = world.add_user("Ana Silva", "ana@globex.example", "end-user", now)
    ana.organization_id, ana.external_id = globex.id, "crm-7-1"
    world.add_user("Carl Wong", "carl@initech.example", "end-user", now).organization_id = initech.id
    _configure(world, now)
    _ticket(world, ana, agent, "My printer is on fire", "The smoke is very colourful.", acme, support, now)
    _ticket(world, ana, agent, "Wrong invoice", "The sum is off by a cent.", acme, billing, now)
    _ticket(world, ana, agent, "Where is my order", "It should have come on Monday.", outlet, support, now)
    return world


def _configure(world: World, now: float) -> None:
    fields = (
        ("subject", "Subject", False, ()),
        ("text", "Order number", True, ()),
        ("tagger", "Product", True, (("Printer", "printer"), ("Toner", "toner"))),
    )
    for kind, title, removable, options in fields:
        field = TicketField(world.next_id(), kind, title, now, removable, options)
        world.fields[field.id] = field
    for title, statuses in (("Your unsolved tickets", ("new", "open", "pending")), ("Solved", ("solved",))):
        view = View(world.next_id(), title, statuses, now)
        world.views[view.id] = view
    for title, changes, text in (
        ("Ask for the order number", {"status": "pending"}, "Please tell us the number of your order."),
        ("Make urgent", {"priority": "urgent"}, None),
    ):
        macro = Macro(world.next_id(), title, now, dict(changes), text)
        world.macros[macro.id] = macro


def _ticket(world: World, of: User, agent: User, subject: str, text: str, brand: int, group: int, now: float) -> Ticket:
    ticket = Ticket(next(world.numbers), subject, of.id, agent.id, brand, now, now, group_id=group)
    ticket.organization_id = of.organization_id
    ticket.custom = {field.id: None for field in world.fields.values() if field.removable}
    audit = Audit(world.next_id(), of.id, now)
    comment = Comment(world.next_id(), audit.id, of.id, text, True, now)
    audit.events.append({"id": comment.id, "type": "Comment", "author_id": of.id, "body": text, "public": True})
    ticket.comments.append(comment)
    ticket.audits.append(audit)
    world.tickets[ticket.id] = ticket
    return ticket
