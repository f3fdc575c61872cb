"""Errors as classes by what to do next."""

import pickle

import pytest

from connectors.sdk.errors import ActionError, concrete
from gatehouse_client import FixTheCall, GatehouseError, LookFirst, TryLater
from gatehouse_client.errors import BY_CODE, AskAPerson, error_of
from gatehouse_client.exchange import failure
from gatehouse_client.wire import Received


def test_every_code_of_the_gateway_has_its_class() -> None:
    assert set(concrete(ActionError)) <= set(BY_CODE)


def test_what_may_be_repeated_is_the_same_at_the_gateway() -> None:
    later = {code for code, kind in concrete(ActionError).items() if kind.retryable}

    assert later == {code for code, kind in BY_CODE.items() if kind is TryLater} - {"no_answer"}


@pytest.mark.parametrize(
    ("problem", "kind"),
    [
        ({"code": "new_one", "retryable": True, "status": 409}, TryLater),
        ({"code": "new_one", "retryable": False, "status": 403}, AskAPerson),
        ({"code": "new_one", "retryable": False, "status": 422}, FixTheCall),
        ({"code": "new_one", "retryable": False, "status": 500}, LookFirst),
    ],
)
def test_an_unknown_code_is_read_by_retryable_then_by_status(
    problem: dict[str, object], kind: type[GatehouseError]
) -> None:
    assert type(error_of(problem)) is kind


def test_an_error_says_where_and_what_to_do() -> None:
    problem = {
        "code": "invalid_input",
        "detail": "The input does not fit.",
        "errors": [{"pointer": "/a", "message": "too long"}],
        "hint": "Shorten it.",
    }

    assert str(error_of(problem)) == "The input does not fit. (invalid_input)\n  /a: too long\n  Shorten it."


def test_an_error_crosses_processes_with_all_its_members() -> None:
    error = error_of({"code": "rate_limited", "retry_after_ms": 1500, "retryable": True}, key="k", trace="t")

    back = pickle.loads(pickle.dumps(error))

    assert (type(back), back.retry_after, back.key, back.trace) == (TryLater, 1.5, "k", "t")


@pytest.mark.parametrize("content", [b"", b"<html>", b"[1]", b'{"message": "no"}', b"\xff"])
@pytest.mark.parametrize("kind", ["text/html", "application/json"])
@pytest.mark.parametrize("status", [302, 404, 500])
def test_what_is_no_problem_document_is_never_repeated(status: int, kind: str, content: bytes) -> None:
    error = failure(Received(status, {"content-type": kind}, content), key="k")

    assert error is not None
    assert error.code == "no_gateway"
    assert not error.retryable
