"""TLS with an ACL user, Sentinel, Cluster: the same limiter over each."""

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from connectors.sdk import Quota
from gateway.limits import Policy, Reach, Refusal
from gateway.state.address import parse_redis_url
from gateway.state.messages import Messages
from gateway.state.presence import Presence
from tests.gateway.state.conftest import MakeServer
from tests.gateway.state.replica import Replica, bill, running, until
from tests.gateway.state.servers import Server, free_ports

SMALL = Policy("agent", 10, 60)
READ = Reach("conn_1", "core", writes=False)
# What docs/operations.md tells operators to grant.
RULES = (
    "~test:* &test:* +evalsha +eval +publish +subscribe +unsubscribe +ping"
    " +time +mget +set +del +hget +hset +hdel +pttl +pexpire +zadd +zremrangebyscore +zcard +expire"
)


async def everything(address: object) -> None:
    """Limits, budgets, presence and messages work."""
    async with running(address, address, timeout=1.0) as (one, two):  # type: ignore[arg-type]
        assert one.client.up
        for n in range(5):
            for replica in (one, two):
                assert await replica.limiter.take(bill(SMALL, tenant=f"t{n}", reach=READ)) is None
        one.quota.learn("t0", "conn_1", [Quota("core", 100, 90, time.time() + 60)])
        assert isinstance(await two.limiter.take(bill(SMALL, tenant="t0", cost=9, reach=READ)), Refusal)
        await presence(one, two)
        await hints(one, two)
        assert (one.turns, two.turns) == ([True], [True])


async def presence(one: Replica, two: Replica) -> None:
    found = [Presence(replica.client, "test:replicas", name, None) for replica, name in ((one, "a"), (two, "b"))]
    for there in (*found, found[0]):
        await there.tell()
    assert [there.replicas() for there in found] == [2, 2]


async def hints(one: Replica, two: Replica) -> None:
    here, there = Messages(one.client, "test:messages", "a"), Messages(two.client, "test:messages", "b")
    heard: list[str] = []
    listening = asyncio.Event()
    there.on("finished", heard.append)
    there.on_return(listening.set)
    tasks = [asyncio.create_task(work) for work in (there.listen(), here.send())]
    async with asyncio.timeout(10):
        await listening.wait()
    here.post("finished", "call_1")
    here.post("finished", "call_2")
    await until(lambda: heard == ["call_1", "call_2"])
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_one_server(server: Server) -> None:
    await everything(server.url)


async def test_tls_with_a_user_that_may_only_do_what_is_needed(make_server: MakeServer, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    mine = authority.issue_cert("127.0.0.1", "localhost")
    mine.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    mine.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    port, plain = free_ports(2)
    settings = {
        "tls-port": str(port),
        "tls-cert-file": str(tmp_path / "cert.pem"),
        "tls-key-file": str(tmp_path / "key.pem"),
        "tls-auth-clients": "no",
        "user": f"gate on >s3cret {RULES}",
    }
    make_server(port=plain, settings=settings)
    address = replace(parse_redis_url(f"rediss://gate:s3cret@127.0.0.1:{port}"), ca_file=tmp_path / "ca.pem")

    await everything(address)

    async with running(replace(address, ca_file=None), timeout=1.0) as (stranger,):
        assert not stranger.client.up, "a certificate that nobody vouches for"


async def test_sentinel_and_what_follows_when_the_master_is_lost(make_server: MakeServer) -> None:
    master = make_server(settings={"repl-diskless-sync-delay": "0"})
    second = make_server(settings={"replicaof": f"127.0.0.1 {master.port}"})
    watched = {
        "sentinel": [
            f"monitor main 127.0.0.1 {master.port} 1",
            "down-after-milliseconds main 500",
            "failover-timeout main 2000",
        ]
    }
    sentinel = make_server(settings=watched, sentinel=True)
    url = f"redis+sentinel://127.0.0.1:{sentinel.port}/main"
    await until(lambda: "'state': 'online'" in str(master.ask("INFO", "replication")), 30)
    await until(lambda: "b'num-slaves': b'1'" in str(sentinel.ask("SENTINEL", "MASTERS")), 30)

    await everything(url)

    async with running(url, timeout=0.25) as (one,):
        assert await one.limiter.take(bill(SMALL)) is None
        master.stop()
        assert await one.limiter.take(bill(SMALL)) is None
        assert one.local == 1
        await until(lambda: one.client.up, 40)
        assert await one.limiter.take(bill(SMALL, tenant="new")) is None
        assert second.calls("evalsha") + second.calls("eval") > 0


async def test_cluster_of_three(make_server: MakeServer) -> None:
    nodes = [
        make_server(settings={"cluster-enabled": "yes", "cluster-node-timeout": "2000", "cluster-port": str(bus)})
        for bus in free_ports(3)
    ]
    parts = [(0, 5460), (5461, 10922), (10923, 16383)]
    for node, (first, last) in zip(nodes, parts, strict=True):
        node.ask("CLUSTER", "ADDSLOTSRANGE", first, last)
    for node in nodes[1:]:
        nodes[0].ask("CLUSTER", "MEET", "127.0.0.1", node.port, node.settings["cluster-port"])
    await until(lambda: all(b"cluster_state:ok" in _bytes(node.ask("CLUSTER", "INFO")) for node in nodes), 30)
    await until(lambda: all(b"cluster_known_nodes:3" in _bytes(node.ask("CLUSTER", "INFO")) for node in nodes), 30)

    await everything("redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in nodes))

    assert sum(node.calls("evalsha") > 0 for node in nodes) >= 2, "tenants are spread over the nodes"


def _bytes(said: object) -> bytes:
    return said if isinstance(said, bytes) else str(said).encode()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://x", "another scheme"),
        ("redis://a:1,b:2", "several servers"),
        ("redis+sentinel://a:1", "does not name the master"),
        ("redis+cluster://a:1/3", "only number 0"),
        ("redis://a:b", "port that is no number"),
        ("redis://user:s3cret@", "without a host"),
        ("redis://a/x", "no number of a database"),
        ("redis://a?ssl=1", "query"),
    ],
)
def test_a_url_that_is_none_says_why_and_not_what_it_was(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as refused:
        parse_redis_url(url)
    assert "s3cret" not in str(refused.value)


def test_credentials_and_places_are_read_from_the_url() -> None:
    found = parse_redis_url("rediss+sentinel://gate:p%40ss@a:1,[::1]:2,c/main/3")
    assert (found.hosts, found.master, found.database, found.tls) == (
        (("a", 1), ("::1", 2), ("c", 26379)),
        "main",
        3,
        True,
    )
    assert (found.username, found.password) == ("gate", "p@ss")
    assert parse_redis_url("redis://:only@h").password == "only"
