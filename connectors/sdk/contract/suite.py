"""The list of checks, running them, and the tier that a connector earns."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from connectors.sdk.action import Action
from connectors.sdk.contract import behaves, bounded, declared, refuses, survives
from connectors.sdk.contract.check import Bench, Check, Finding, Subject, Tier
from connectors.sdk.simulator import Applied

Progress = Callable[[int, int], None]


def _writes(action: Action) -> bool:
    return action.writes


def _reads(action: Action) -> bool:
    return not action.writes


ALL: tuple[Check, ...] = (
    Check("documented", "bronze", "a docstring that helps to choose, examples for writes", declared.is_documented),
    Check("scoped", "bronze", "scopes of its own connector, in plain words", declared.is_scoped),
    Check("typed", "bronze", "schemas without holes, fields that say what they mean", declared.is_typed),
    Check("examples", "bronze", "examples that are valid", declared.examples_fit),
    Check("source", "bronze", "modules that leave all doing to the gateway", reads=declared.leaves_doing),
    Check("succeeds", "bronze", "a valid input succeeds, with one effect", behaves.succeeds),
    Check("unknown fields", "bronze", "an unknown field is refused, nothing is sent", behaves.refuses_unknown_fields),
    Check("mapped errors", "bronze", "every status of the table, in the vendor's words", refuses.maps_each_error),
    Check("paging", "silver", "page by page to the last one", behaves.pages_to_the_end, lambda a: a.paged),
    Check("throttling", "silver", "the vendor's limits are honoured", survives.survives_throttling),
    Check("waits", "silver", "waits as long as the vendor asks, in each of its shapes", refuses.waits_as_asked),
    Check("repeats", "silver", "a repeat is replayed", survives.repeats_are_replayed),
    Check("credential", "silver", "a 401 renews the credential, or ends it", refuses.renews_its_credential),
    Check("preview", "gold", "what preview shows is what is sent", behaves.previews_what_it_sends),
    Check("resources", "gold", "a grant on another resource keeps it out", behaves.keeps_to_its_resources),
    Check("aliases", "gold", "no other spelling passes a grant", bounded.refuses_aliases, bounded.has_resource),
    Check("oversize", "gold", "an input over 1 MiB or 64 levels is refused", bounded.refuses_oversize),
    Check("secrets", "gold", "secret outputs are masked", behaves.masks_secrets, lambda a: bool(a.secrets)),
    Check("lost request", "gold", "reset before the effect", survives.survives_a_lost_request),
    Check("lost answer", "gold", "reset after the effect: once, and settled", survives.survives_a_lost_answer),
    Check("each step", "gold", "reset at any of several effects", survives.survives_each_step, _writes),
    Check("half an answer", "gold", "an answer that breaks off", survives.survives_half_an_answer, _writes),
    Check("server error", "gold", "a 500", survives.survives_a_server_error),
    Check("web page", "gold", "HTML in place of JSON", survives.survives_a_web_page),
    Check("misfit", "gold", "JSON of another shape", bounded.refuses_a_misfit),
    Check("endless answer", "gold", "an answer without end", survives.survives_an_endless_answer),
    Check("circle", "gold", "pages that go in a circle", bounded.ends_a_circle, _reads),
    Check("redirect", "gold", "a redirect elsewhere", survives.survives_a_redirect),
)
_TIERS: tuple[Tier, ...] = ("bronze", "silver", "gold")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one check went over all actions that it is asked for."""

    check: Check
    actions: int
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class TierReport:
    """What a connector was found to be. `tier` is None where it is not even bronze."""

    connector: str
    actions: int
    tier: Tier | None
    outcomes: tuple[Outcome, ...]

    @property
    def findings(self) -> list[Finding]:
        """All that is wrong."""
        return [finding for outcome in self.outcomes for finding in outcome.findings]


async def run_suite(bench: Bench, *, checks: Sequence[Check] = ALL, progress: Progress | None = None) -> TierReport:
    """Run checks over every action of the bench's connector, each in a fresh world."""
    actions = sorted(bench.connector.actions.values(), key=lambda action: action.name)
    clean = {action.name: await _rehearsed(bench, action) for action in actions if action.writes}
    outcomes: list[Outcome] = []
    done, total = 0, len(checks) * len(actions)
    for check in checks:
        findings = list(check.reads(bench.connector)) if check.reads is not None else []
        asked = [action for action in actions if check.applies(action)]
        for action in actions:
            done += 1
            if action in asked and check.run is not None:
                findings += await _asked(bench, check, action, clean.get(action.name, ()))
            if progress is not None:
                progress(done, total)
        outcomes.append(Outcome(check, len(asked), tuple(findings)))
    return TierReport(bench.connector.id, len(actions), tier_of(outcomes), tuple(outcomes))


async def _rehearsed(bench: Bench, action: Action) -> tuple[Applied, ...]:
    """Return what one clean run changes at the vendor, so that checks can break each of it."""
    cases = await bench.arrange()
    if action.name in cases:
        await bench.run(action.name, cases[action.name])
    return tuple(bench.simulator.applied)


def tier_of(outcomes: Sequence[Outcome]) -> Tier | None:
    """Return the highest tier whose checks, and those of the lower ones, are all kept."""
    earned: Tier | None = None
    for tier in _TIERS:
        if any(outcome.findings for outcome in outcomes if outcome.check.tier == tier):
            break
        earned = tier
    return earned


async def _asked(bench: Bench, check: Check, action: Action, effects: tuple[Applied, ...]) -> list[Finding]:
    cases = await bench.arrange()
    if action.name not in cases:
        return [Finding(action.name, check.name, "its simulator's `cases.arrange` gives no input for it")]
    subject = Subject(bench, action, cases[action.name], effects)
    assert check.run is not None
    wrong = list(await check.run(subject))
    missed = [fault for fault in subject.faults if not fault.hit]
    if subject.faults and len(missed) == len(subject.faults):
        wrong.append(
            f"no request met the fault {missed[0].shown()['match']}: let its simulator's `seed` and `cases.arrange` "
            "make the same world every time"
        )
    return [Finding(action.name, check.name, message) for message in wrong]
