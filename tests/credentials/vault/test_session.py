"""The gateway's standing at Vault: every way in, renewal before the end, and everything that can happen to a Vault."""

import asyncio
import secrets
from collections.abc import Callable

import hvac
import pytest
from credentials import Credential, Road, Tokens, VaultStore
from credentials.vault_login import AppRoleLogin, KubernetesLogin

from bench.vault_standin import VaultStandIn
from bench.vault_standin.prepare import set_up
from connectors.sdk.errors import SecretStoreUnavailable
from tests.credentials.standins import STATIC, TARGET, Clock
from tests.credentials.vault.ground import Ground

ONE = Credential("token", {"token": "t1"})


async def unavailable(
    store: VaultStore, ground: Ground, match: str, *, retryable: bool = True
) -> SecretStoreUnavailable:
    with pytest.raises(SecretStoreUnavailable, match=match) as refused:
        await store.get(ground.where())
    assert refused.value.retryable is retryable
    return refused.value


# Ways in


async def test_a_token_from_a_file_lets_the_gateway_in(ground: Ground) -> None:
    token = ground.root.auth.token.create(policies=["gatehouse-gateway"], ttl="1h", no_parent=True)
    store = ground.store(login=ground.token_login(token["auth"]["client_token"]))
    await store.open()
    assert await store.put(ground.where(), ONE, expected=0) == 1


async def test_a_supplied_token_is_not_ended_at_a_stop_and_the_gateways_own_is(ground: Ground) -> None:
    supplied = ground.root.auth.token.create(policies=["gatehouse-gateway"], ttl="1h", no_parent=True)
    token = supplied["auth"]["client_token"]
    store, other = ground.store(login=ground.token_login(token)), ground.store()
    await store.open()
    await other.open()
    own = ground.sessions[1]._own
    assert own is not None
    await store.close()
    await other.close()
    assert hvac.Client(url=ground.url, token=token).auth.token.lookup_self()["data"]["ttl"] > 0
    with pytest.raises(hvac.exceptions.Forbidden):
        hvac.Client(url=ground.url, token=own.lease.token).auth.token.lookup_self()


@pytest.mark.parametrize("content", ["", "hvs.wrong", "two\nlines", "é"])
async def test_a_file_that_holds_no_good_token_is_the_operators_turn(ground: Ground, content: str) -> None:
    login = ground.token_login(content)
    with pytest.raises(SecretStoreUnavailable) as refused:
        await ground.session(login).open()
    assert not refused.value.retryable
    assert refused.value.hint
    assert "wrong" not in f"{refused.value} {refused.value.hint}"


async def test_a_file_that_is_not_there_is_the_operators_turn(ground: Ground) -> None:
    login = ground.token_login("x")
    login.file.unlink()
    with pytest.raises(SecretStoreUnavailable, match="cannot be read") as refused:
        await ground.session(login).open()
    assert not refused.value.retryable


async def test_a_wrapped_secret_id_opens_once(ground: Ground) -> None:
    login = ground.login(wrapped=True)
    await ground.store(login=login).open()
    again = AppRoleLogin(login.role_id, login.file, wrapped=True)  # as after a restart
    with pytest.raises(SecretStoreUnavailable, match="was used before") as refused:
        await ground.session(again).open()
    assert not refused.value.retryable
    assert "revoke" in str(refused.value.hint)


async def test_a_process_keeps_its_unwrapped_secret_id_for_the_next_login(ground: Ground) -> None:
    login = ground.login(wrapped=True)
    for _ in range(2):
        await ground.session(login).open()


async def test_a_wrapping_token_of_something_else_is_not_opened(ground: Ground) -> None:
    login = ground.login(wrapped=True)
    other = ground.root.auth.token.create(policies=["default"], wrap_ttl="60s")["wrap_info"]["token"]
    login.file.write_text(other)
    with pytest.raises(SecretStoreUnavailable, match="not made for a secret id"):
        await ground.session(login).open()
    # It was not used up: whoever it was meant for can still open it.
    assert hvac.Client(url=ground.url, token=other).sys.unwrap()["auth"]["client_token"]


async def test_a_wrong_secret_id_is_the_operators_turn(ground: Ground) -> None:
    login = ground.login()
    login.file.write_text("0" * 32)
    with pytest.raises(SecretStoreUnavailable, match="role id and secret id") as refused:
        await ground.session(login).open()
    assert not refused.value.retryable
    assert "000" not in f"{refused.value} {refused.value.hint}"


async def test_a_service_account_is_read_again_at_each_login(ground: Ground, standin: VaultStandIn) -> None:
    ground.root.sys.enable_auth_method("kubernetes")
    ground.root.auth.kubernetes.create_role(
        "gatehouse", "gateway", "prod", policies=["gatehouse-gateway"], ttl="20m", max_ttl="20m"
    )
    login = KubernetesLogin("gatehouse", ground.folder / "jwt")
    login.file.write_text(standin.service_account("prod", "gateway"))
    store = ground.store(login=login)
    await store.put(ground.where(), ONE, expected=0)
    fresh = standin.service_account("prod", "gateway")  # the old one is over, as some time after a rotation
    ground.forward(21 * 60)
    with pytest.raises(SecretStoreUnavailable, match="service account"):
        await store.get(ground.where())
    login.file.write_text(fresh)
    assert await store.get(ground.where()) is not None


# Leases


async def test_the_gateways_token_is_renewed_before_it_ends(ground: Ground, standin: VaultStandIn) -> None:
    store = ground.store()
    await store.put(ground.where(), ONE, expected=0)
    first = ground.sessions[0]._own
    ground.forward(41 * 60)
    assert await store.get(ground.where()) is not None
    held = ground.sessions[0]._own
    assert first is not None
    assert held is not None
    assert held.lease.token == first.lease.token
    assert ground.count("renew-self") == 1
    assert ground.count("approle/login") == 1


async def test_at_the_end_of_its_longest_life_the_gateway_logs_in_anew(ground: Ground, standin: VaultStandIn) -> None:
    store = ground.store()
    await store.put(ground.where(), ONE, expected=0)
    for _ in range(6):
        ground.forward(41 * 60)
        assert await store.get(ground.where()) is not None
    assert ground.count("approle/login") == 2


async def test_a_token_that_ran_out_is_replaced(ground: Ground, standin: VaultStandIn) -> None:
    store = ground.store()
    await store.put(ground.where(), ONE, expected=0)
    ground.forward(2 * 3600)
    assert await store.get(ground.where()) is not None


async def test_the_keeper_renews_without_anybody_asking(ground: Ground, standin: VaultStandIn) -> None:
    done = asyncio.Event()
    session = ground.session()

    def slept() -> None:
        standin.clock.forward(ground.mono.slept[-1])
        if len(ground.mono.slept) == 3:
            done.set()

    ground.mono.when_slept = slept
    await session.open()
    keeper = asyncio.create_task(session.run())
    await done.wait()
    keeper.cancel()
    assert all(2000 < nap < 2500 for nap in ground.mono.slept[:3])
    assert ground.count("renew-self") >= 2
    assert ground.count("approle/login") == 1


async def test_a_token_that_was_revoked_is_replaced_at_once(ground: Ground) -> None:
    store = ground.store()
    await store.put(ground.where(), ONE, expected=0)
    for _ in range(2):
        own = ground.sessions[0]._own
        assert own is not None
        ground.root.auth.token.revoke(own.lease.token)  # and with it the child
        assert await store.get(ground.where()) is not None
        ground.mono.at += 11
    assert await store.put(ground.where(), ONE, expected=1) == 2


async def test_a_token_that_was_renewed_and_then_revoked_is_replaced_at_once(
    ground: Ground, standin: VaultStandIn
) -> None:
    session = ground.session()
    await session.open()
    before = session._own
    ground.forward(41 * 60)
    renewed = await session._own_token()
    assert before is not None
    ground.root.auth.token.revoke(renewed.lease.token)
    fresh = await session._own_token(instead_of=before)  # who was refused had it from before the renewal
    assert fresh.lease.token != renewed.lease.token


async def test_a_supplied_token_in_its_last_second_is_none_that_lasts_for_ever(
    ground: Ground, standin: VaultStandIn
) -> None:
    made = ground.root.auth.token.create(policies=["gatehouse-gateway"], ttl="30s", renewable=False, no_parent=True)
    session = ground.session(ground.token_login(made["auth"]["client_token"]))
    standin.clock.forward(29.5)
    await session.open()
    assert session._own is not None
    assert 0 < session._own.lease.seconds <= 1
    root = ground.session(ground.token_login(ground.root_token))
    await root.open()
    assert root._own is not None
    assert root._own.good(ground.mono.at + 10**9)


async def test_a_stop_in_the_middle_of_a_login_leaves_no_token_behind(ground: Ground, standin: VaultStandIn) -> None:
    session = ground.session()
    standin.slow_seconds = 0.2
    standin.entered.clear()
    opening = asyncio.create_task(session.open())
    await asyncio.to_thread(standin.entered.wait, 10)
    standin.slow_seconds = 0
    await session.close()
    await opening
    assert ground.count("approle/login") == 1
    assert ground.count("revoke-self") == 1


async def test_a_write_that_a_dead_token_was_refused_is_made_with_a_new_one(ground: Ground) -> None:
    store = ground.store()
    await store.put(ground.where(), ONE, expected=0)
    child = await ground.sessions[0]._child(ground.tenant)
    ground.root.auth.token.revoke(child.lease.token)
    assert await store.put(ground.where(), ONE, expected=1) == 2


# What happens to a Vault


async def test_a_sealed_vault_is_unavailable_and_serves_again_when_it_is_unsealed(
    ground: Ground, standin: VaultStandIn
) -> None:
    store = ground.store()
    await store.put(ground.where(), ONE, expected=0)
    ground.root.sys.seal()
    assert "unseals" in str((await unavailable(store, ground, "sealed")).hint)
    with pytest.raises(SecretStoreUnavailable, match="sealed"):
        await store.put(ground.where(), ONE, expected=1)
    with pytest.raises(SecretStoreUnavailable, match="sealed"):
        await ground.session(ground_login_offline(ground)).open()
    ground.root.sys.submit_unseal_key(standin.unseal_key)
    found = await store.get(ground.where())
    assert found is not None
    assert found.version == 1


def ground_login_offline(ground: Ground) -> AppRoleLogin:
    file = ground.folder / "some-secret-id"
    file.write_text("0" * 32)
    return AppRoleLogin("0" * 32, file)


@pytest.mark.parametrize("status", [429, 473])
async def test_a_standby_without_an_active_one_is_unavailable(
    ground: Ground, standin: VaultStandIn, status: int
) -> None:
    store = ground.store()
    await store.put(ground.where(), ONE, expected=0)
    standin.standby = status
    await unavailable(store, ground, "cannot serve now")
    standin.standby = None
    assert await store.get(ground.where()) is not None


async def test_a_standby_that_sends_elsewhere_is_not_followed(ground: Ground, standin: VaultStandIn) -> None:
    store = ground.store()
    await store.put(ground.where(), ONE, expected=0)
    trap = VaultStandIn().start()
    standin.redirect = trap.url
    error = await unavailable(store, ground, "elsewhere")
    assert "active" in str(error.hint)
    assert not trap.seen
    trap.stop()


@pytest.mark.parametrize("page", [b"", b"<html>Log in</html>", b"[]", b"{}", b'{"data": {"data": "x"}}'])
async def test_what_is_not_vaults_answer_is_no_missing_credential(
    ground: Ground, standin: VaultStandIn, page: bytes
) -> None:
    store = ground.store()
    await store.put(ground.where(), ONE, expected=0)
    standin.page = page
    for attempt in (store.get(ground.where()), store.put(ground.where(), ONE, expected=1)):
        with pytest.raises(SecretStoreUnavailable):
            await attempt


async def test_a_policy_that_denies_is_the_operators_turn_and_costs_two_tokens_at_most(
    ground: Ground, standin: VaultStandIn
) -> None:
    store = ground.store()
    await store.put(ground.where(), ONE, expected=0)
    ground.root.sys.create_or_update_acl_policy("gatehouse-tenant", 'path "nothing" { capabilities = ["read"] }')
    for _ in range(5):
        error = await unavailable(store, ground, "denies", retryable=False)
        assert "policies" in str(error.hint)
    assert ground.count("create/gatehouse-tenant") == 2
    assert ground.count("approle/login") == 1


async def test_a_gateway_that_may_make_no_child_is_the_operators_turn(ground: Ground, standin: VaultStandIn) -> None:
    ground.root.sys.create_or_update_acl_policy("gatehouse-gateway", 'path "nothing" { capabilities = ["read"] }')
    store = ground.store()
    for _ in range(3):
        await unavailable(store, ground, "denies", retryable=False)
    assert ground.count("approle/login") == 2


async def test_a_token_role_that_is_missing_is_the_operators_turn(ground: Ground) -> None:
    session = ground.session()
    session._child_role = "gatehouse-nobody"
    token = ground.root.auth.token.create(policies=["root"], ttl="1h")["auth"]["client_token"]
    session._login = ground.token_login(token)
    await unavailable(VaultStore(session), ground, "no token for a tenant", retryable=False)


async def test_a_slow_vault_is_unavailable_in_the_time_that_was_chosen(ground: Ground, standin: VaultStandIn) -> None:
    store = ground.store(timeout=0.2)
    await store.put(ground.where(), ONE, expected=0)
    standin.slow_seconds = 0.6
    began = asyncio.get_running_loop().time()
    await unavailable(store, ground, "in time")
    assert asyncio.get_running_loop().time() - began < 0.55
    standin.slow_seconds = 0


async def test_a_vault_that_restarts_is_found_again(ground: Ground, standin: VaultStandIn) -> None:
    store = ground.store()
    await store.put(ground.where(), ONE, expected=0)
    standin.stop()
    await unavailable(store, ground, "reached")
    standin.start()
    assert await store.get(ground.where()) is not None
    assert await store.put(ground.where(), ONE, expected=1) == 2


async def test_a_read_whose_answer_was_lost_is_sent_again_and_a_write_is_not(
    ground: Ground, standin: VaultStandIn
) -> None:
    store = ground.store()
    await store.put(ground.where(), ONE, expected=0)
    standin.drops = ["GET"]
    assert await store.get(ground.where()) is not None
    standin.drops = ["POST"]
    with pytest.raises(SecretStoreUnavailable, match="reached"):
        await store.put(ground.where(), ONE, expected=1)
    found = await store.get(ground.where())
    assert found is not None
    assert found.version == 2  # applied, and nobody was told: the caller must look


async def test_while_vault_is_away_tokens_in_memory_serve_until_they_end(
    ground: Ground, standin: VaultStandIn, clock: Clock, tokens_on: Callable[..., Tokens]
) -> None:
    store = ground.store()
    await store.put(TARGET.where, ONE, expected=0)
    tokens = tokens_on(store, Road())
    assert (await tokens.token_for(TARGET, method=STATIC)).value == "t1"
    standin.stop()
    assert (await tokens.token_for(TARGET, method=STATIC)).value == "t1"
    tokens.forget(TARGET.where)
    with pytest.raises(SecretStoreUnavailable):
        await tokens.token_for(TARGET, method=STATIC)
    standin.start()
    assert (await tokens.token_for(TARGET, method=STATIC)).value == "t1"


async def test_a_renewal_that_fails_keeps_what_is_still_good(ground: Ground, standin: VaultStandIn) -> None:
    session = ground.session()
    await session.open()
    ground.forward(41 * 60)
    ground.root.sys.seal()
    held = await session._own_token()
    assert held.alive(ground.mono.at)
    again = await session._own_token()
    assert again is held
    assert ground.count("renew-self") == 1  # in vain, and not again at once
    ground.root.sys.submit_unseal_key(standin.unseal_key)
    ground.mono.at += 6
    assert (await session._own_token()).since > held.since


async def test_many_that_wait_for_one_login_share_its_failure(ground: Ground, standin: VaultStandIn) -> None:
    store = ground.store(timeout=0.2)
    standin.slow_seconds = 0.5
    began = asyncio.get_running_loop().time()
    results = await asyncio.gather(*(store.get(ground.where(f"c{at}")) for at in range(50)), return_exceptions=True)
    assert all(isinstance(result, SecretStoreUnavailable) for result in results)
    assert asyncio.get_running_loop().time() - began < 1.0
    standin.slow_seconds = 0


async def test_a_namespace_is_a_world_of_its_own(ground: Ground, standin: VaultStandIn) -> None:
    standin.realm("team")
    login = ground.token_login(ground.root_token)
    inside = ground.store(login=login, namespace="team")
    with pytest.raises(SecretStoreUnavailable, match="no token for a tenant"):
        await inside.get(ground.where())
    root = hvac.Client(url=ground.url, token=ground.root_token, namespace="team")
    root.sys.enable_auth_method("approle")
    set_up(root)
    await ground.store().put(ground.where(), ONE, expected=0)
    assert await inside.get(ground.where()) is None
    assert await inside.put(ground.where("conn_2"), ONE, expected=0) == 1
    assert await ground.store().get(ground.where("conn_2")) is None
    with pytest.raises(SecretStoreUnavailable, match="does not accept"):
        await ground.session(login, namespace="nobody").open()


async def test_nothing_of_a_secret_is_logged_or_shown(ground: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    marker = f"s-{secrets.token_hex(8)}"
    store = ground.store()
    await store.put(ground.where(), Credential("token", {"token": marker}), expected=0)
    held = [ground.sessions[0]._own, *ground.sessions[0]._children.values()]
    shown = f"{held!r} {store!r} {capsys.readouterr().out}"
    assert marker not in shown
    assert all(one is not None and one.lease.token not in shown for one in held)


async def test_a_closed_store_says_so(ground: Ground) -> None:
    store = ground.store()
    await store.open()
    await store.close()
    with pytest.raises(SecretStoreUnavailable, match="closed"):
        await store.get(ground.where())
