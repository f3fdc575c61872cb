"""What Vault says when it says no. Sources: Vault and OpenBao HTTP API 1.x/2.x, and what their servers answer."""


class Refusal(Exception):
    """An answer with a status of 400 or more."""

    def __init__(self, status: int, *errors: str, data: object = None) -> None:
        """Say why; `data` goes into the body beside the errors, as KV does for deleted versions."""
        super().__init__(", ".join(errors))
        self.status = status
        self.errors = errors
        self.data = data


def denied(why: str = "") -> Refusal:
    """Return the refusal of a policy, or of a token (`why`)."""
    reasons = ["permission denied", *([why] if why else [])]
    head = "1 error occurred:" if len(reasons) == 1 else f"{len(reasons)} errors occurred:"
    return Refusal(403, head + "".join(f"\n\t* {reason}" for reason in reasons) + "\n\n")


def missing() -> Refusal:
    """Return the answer for what is not there."""
    return Refusal(404)


def invalid(why: str) -> Refusal:
    """Return the refusal of a request that cannot be served as it is."""
    return Refusal(400, why)
