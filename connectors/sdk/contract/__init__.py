"""The contract that every connector holds to, as checks that run over every action.

Checks know the declared facts of an action, its vendor's simulator, and a `Bench` that runs calls through a whole
gateway. `gatehouse connector check` runs them; `ALL` is the list.
"""

from connectors.sdk.contract.check import Answered, Bench, Check, Finding, Subject
from connectors.sdk.contract.suite import ALL, Outcome, TierReport, run_suite, tier_of

__all__ = ["ALL", "Answered", "Bench", "Check", "Finding", "Outcome", "Subject", "TierReport", "run_suite", "tier_of"]
