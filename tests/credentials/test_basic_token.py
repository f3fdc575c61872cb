"""Tokens that go with a username, as HTTP Basic."""

import base64

import pytest
from credentials import Tokens
from credentials.supplied import check_fields, required_fields

from connectors.sdk import BasicToken, InvalidInput
from connectors.sdk.errors import ConnectionUnhealthy
from tests.credentials.standins import TARGET, WHERE, MemoryStore

BASIC = BasicToken()


async def test_username_and_token_are_sent_in_base64(tokens: Tokens, memory: MemoryStore) -> None:
    memory.keep("token", username="ana@acme.example", token="s3cret")

    token = await tokens.token_for(TARGET, method=BASIC)

    assert token.header_value() == "Basic " + base64.b64encode(b"ana@acme.example:s3cret").decode()
    assert "s3cret" not in repr(token)


async def test_a_refused_pair_is_not_tried_again(tokens: Tokens, memory: MemoryStore) -> None:
    memory.keep("token", username="ana@acme.example", token="s3cret")
    tokens.rejected(WHERE, await tokens.token_for(TARGET, method=BASIC))

    with pytest.raises(ConnectionUnhealthy):
        await tokens.token_for(TARGET, method=BASIC)


def test_both_fields_are_needed() -> None:
    assert required_fields(BASIC) == {"username", "token"}
    with pytest.raises(InvalidInput) as caught:
        check_fields(BASIC, {"token": "s3cret"})
    assert [issue.pointer for issue in caught.value.issues] == ["/username"]


@pytest.mark.parametrize("username", ["", "a:b", "a\nb", "x" * 256])
def test_a_username_cannot_carry_a_colon_or_a_line_end(username: str) -> None:
    with pytest.raises(InvalidInput):
        check_fields(BASIC, {"username": username, "token": "s3cret"})
