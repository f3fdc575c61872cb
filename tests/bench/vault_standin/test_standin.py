"""The stand-in itself: its policies decide as Vault's do, and it runs as a process."""

import signal
import subprocess
import sys

import hvac
import orjson
import pytest
import requests

from bench.vault_standin.policy import allowed, parse
from bench.vault_standin.refusal import Refusal


def capabilities(path: str, *policies: str, **aliases: str) -> set[str]:
    return set(allowed([parse(policy) for policy in policies], path, aliases))


def rule(path: str, *names: str) -> str:
    quoted = ", ".join(f'"{name}"' for name in names)
    return f'path "{path}" {{ capabilities = [{quoted}] }}\n'


@pytest.mark.parametrize(
    "pattern, path, matches",
    [
        ("a/b", "a/b", True),
        ("a/b", "a/b/c", False),
        ("a/b", "a", False),
        ("a/*", "a/b/c", True),
        ("a/b*", "a/bc/d", True),
        ("a/b*", "a/c", False),
        ("a/+/c", "a/b/c", True),
        ("a/+/c", "a/b/b/c", False),
        ("a/+", "a/b", True),
        ("a/+", "a/b/c", False),
        ("+/b/*", "a/b/c/d", True),
    ],
)
def test_patterns_match_as_vaults_do(pattern: str, path: str, matches: bool) -> None:
    assert capabilities(path, rule(pattern, "read")) == ({"read"} if matches else set())


@pytest.mark.parametrize(
    "weaker, stronger",
    [("a/*", "a/b"), ("a/+", "a/b"), ("a/*", "a/b*"), ("a/+/c", "a/b/*"), ("a/b/*", "a/b/+"), ("a/+/+", "a/+/c")],
)
def test_the_most_specific_pattern_alone_decides(weaker: str, stronger: str) -> None:
    path = "a/b/c" if weaker.count("/") == 2 or stronger.count("/") == 2 else "a/b"
    for order in ((weaker, "read"), (stronger, "list")), ((stronger, "list"), (weaker, "read")):
        assert capabilities(path, *(rule(pattern, name) for pattern, name in order)) == {"list"}


def test_capabilities_of_one_pattern_add_up_and_deny_wins() -> None:
    assert capabilities("a", rule("a", "read"), rule("a", "list")) == {"read", "list"}
    assert capabilities("a", rule("a", "read"), rule("a", "deny")) == set()


def test_a_template_holds_for_the_entity_that_has_it() -> None:
    policy = rule("t/{{identity.entity.aliases.auth_token_1.name}}/x", "read")
    assert capabilities("t/acme/x", policy, auth_token_1="acme") == {"read"}
    assert capabilities("t/rival/x", policy, auth_token_1="acme") == set()
    assert capabilities("t//x", policy) == set()
    assert capabilities("t/acme/x", policy, auth_token_2="acme") == set()


@pytest.mark.parametrize(
    "text", ["path a { }", 'path "a" { capabilities = ["fly"] }', 'path "a" { capabilities = [] }', "} nonsense"]
)
def test_a_policy_that_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(Refusal):
        parse(text)


def test_it_runs_as_a_process_and_ends_when_asked() -> None:
    command = [sys.executable, "-m", "bench.vault_standin", "--root-token", "root", "--prepared"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        told = orjson.loads(process.stdout.readline())
        client = hvac.Client(url=told["url"], token=told["root_token"])
        assert client.auth.token.lookup_self()["data"]["policies"] == ["root"]
        own = client.auth.approle.login(told["role_id"], told["secret_id"], use_token=False)
        assert "gatehouse-gateway" in own["auth"]["policies"]
        requests.post(f"{told['url']}/standin/standby", json={"status": 473}, timeout=5).raise_for_status()
        assert client.sys.read_health_status(method="GET").status_code == 473
        client.adapter.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
