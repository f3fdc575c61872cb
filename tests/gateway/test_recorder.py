"""Recording an account: what is written replays, holds nothing of anybody's, and is told of."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from connectors.github import github
from connectors.github.simulator import GitHubSimulator
from connectors.github.simulator.access import Token
from connectors.sdk.contract.replay import Unlike, replay
from gateway.recorder import CannotRecord, RealAccount, Recording, Wanted, record, write
from tests.connectors.sdk.toys.connector import toys

TOKEN = "ghp_canary7f3a91"
WHERE = {"owner": "globex", "repo": "secretplan"}
PERSONAL = ("globex", "secretplan", "ottoline", "quatermass", "quatermass@globex.example", TOKEN, "030 1234567")
READS = [
    Wanted("github.repository.get", WHERE),
    Wanted("github.issue.list", {**WHERE, "limit": 1}),
    Wanted("github.issue.get", {**WHERE, "number": 1}),
    Wanted("github.comment.list", {**WHERE, "number": 1}),
    Wanted("github.issue.get", {**WHERE, "number": 999}),
]
MAKE = Wanted("github.issue.create", {**WHERE, "title": "Ottoline Quatermass left", "body": "Call 030 1234567."})


@pytest.fixture
async def account() -> AsyncIterator[RealAccount]:
    """An account on loopback whose every name is a canary."""
    simulator = GitHubSimulator(tokens=[Token(TOKEN, everything=True)])
    await simulator.start()
    owner = simulator.world.add_owner("globex", "Organization")
    simulator.world.add_repository(owner, "secretplan", 0.0)
    issues = f"{simulator.url}/repos/globex/secretplan/issues"
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        for title in ("Quatermass called", "Ask Ottoline"):
            async with session.post(issues, json={"title": title, "body": "Mail quatermass@globex.example"}) as made:
                assert made.status == 201
        async with session.post(f"{issues}/1/comments", json={"body": "@ottoline, call 030 1234567"}) as made:
            assert made.status == 201
    yield RealAccount("token", {"token": TOKEN}, simulator.url)
    await simulator.stop()


async def taken(account: RealAccount, *wanted: Wanted, writes: bool = False) -> Recording:
    return await record(github, account, wanted, writes=writes)


async def test_what_is_recorded_replays_and_types(account: RealAccount, tmp_path: Path) -> None:
    recording = await taken(account, *READS, MAKE, writes=True)

    files = write(recording, tmp_path / "recorded")

    assert recording.left_out == []
    assert [path.name for path in files] == [
        "repository.get.json",
        "issue.list.json",
        "issue.get.json",
        "comment.list.json",
        "issue.get-2.json",
        "issue.create.json",
    ]
    outputs = [await replay(github, orjson.loads(path.read_bytes())) for path in files]
    assert outputs[2]["number"] == 1
    assert outputs[4] is None


async def test_nothing_of_the_account_is_in_a_fixture(account: RealAccount) -> None:
    recording = await taken(account, MAKE, Wanted("github.issue.get", {**WHERE, "number": 2}), *READS, writes=True)

    text = orjson.dumps(dict(recording.fixtures)).decode().casefold()
    assert len(recording.fixtures) == 7
    assert not [word for word in PERSONAL if word in text]
    assert recording.replaced["words"] > 50
    assert "open" in recording.kept
    assert not {word for word in recording.kept if word.casefold() in PERSONAL}


async def test_a_write_is_not_run_unless_it_was_asked_for(account: RealAccount) -> None:
    with pytest.raises(CannotRecord, match="add --writes"):
        await taken(account, READS[0], MAKE)


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (Wanted("github.issue.nothing", {}), "is no action of github"),
        (Wanted("github.issue.get", {"owner": "globex"}), "its input does not fit"),
    ],
)
async def test_what_does_not_fit_is_refused_before_anything_is_sent(
    wanted: Wanted, says: str, account: RealAccount
) -> None:
    with pytest.raises(CannotRecord, match=says):
        await taken(account, wanted)


async def test_an_action_with_secrets_is_not_recorded(account: RealAccount) -> None:
    with pytest.raises(CannotRecord, match="secrets, which are on no record"):
        await record(toys, account, [Wanted("toys.note.publish", {"box": "team", "note": "n1"})], writes=True)


async def test_a_credential_that_the_vendor_refuses_records_nothing(account: RealAccount) -> None:
    other = RealAccount("token", {"token": "ghp_wrong"}, account.base_url)

    with pytest.raises(CannotRecord) as raised:
        await taken(other, *READS)

    assert "ghp_wrong" not in str(raised.value)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"exchanges": []}, "was not asked when"),
        ({"outcome": "upstream_not_found"}, "now it succeeds"),
        ({"input": {"owner": "acme", "repo": "other", "number": 1}}, "was asked, and now"),
    ],
)
async def test_a_handler_that_asks_otherwise_than_it_did_is_found(
    change: dict[str, Any], says: str, account: RealAccount
) -> None:
    fixture = (await taken(account, READS[2])).fixtures["issue.get"]

    with pytest.raises(Unlike, match=says):
        await replay(github, {**fixture, **change})


async def test_an_answer_that_no_longer_types_is_found(account: RealAccount) -> None:
    fixture: Any = (await taken(account, READS[2])).fixtures["issue.get"]
    del fixture["exchanges"][0]["response"]["json"]["number"]

    with pytest.raises(Unlike, match="now: upstream_invalid_response"):
        await replay(github, fixture)
