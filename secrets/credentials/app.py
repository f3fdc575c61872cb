"""App installations: a signed assertion of the app (RFC 7519, RS256) exchanged for a short-lived token.

Source: GitHub REST API, "Authenticating as a GitHub App": `iat` 60 s in the past for clock drift, `exp` at most ten
minutes ahead, the installation's token for an hour, answered with 201.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import cast
from urllib.parse import quote

import httpx
import orjson

from connectors.sdk.auth import AppInstallation
from credentials.assertion import sign
from credentials.certificate import identified
from credentials.token import NotProcessed, Obtained, Target, TokenRefused, usable, wait_of
from credentials.transport import Road, Unanswered, by_phase


async def exchange(
    road: Road, target: Target, method: AppInstallation, fields: Mapping[str, str], *, now: datetime
) -> Obtained:
    """Return an installation token and the permissions that it has, such as `issues:write`.

    Raises `KeyUnreadable`, `TokenRefused`, `NotProcessed`, `NotSent` and `Unanswered`; asking again is always safe.
    """
    path = method.exchange_path.replace("{installation_id}", quote(fields["installation_id"], safe=""))
    signed = sign(method.assertion, fields, now, target=target)
    async with identified(road, fields).client() as client:
        with by_phase():
            answer = await client.post(
                target.api_root + path,
                headers={"authorization": f"Bearer {signed}", "accept": "application/json"},
            )
    _check_status(answer)
    return _granted(answer)


async def revoke(road: Road, target: Target, method: AppInstallation, fields: Mapping[str, str], token: str) -> bool:
    """End one installation token at the vendor. True if the vendor confirmed it. Raises `NotSent`, `Unanswered`."""
    if method.revoke_path is None:
        return False
    async with identified(road, fields).client() as client:
        with by_phase():
            answer = await client.delete(
                target.api_root + method.revoke_path, headers={"authorization": f"Bearer {token}"}
            )
    return answer.status_code in {200, 202, 204}


def _check_status(answer: httpx.Response) -> None:
    status = answer.status_code
    wait = wait_of(answer.headers)
    if status == 429 or (status == 403 and wait is not None):
        raise NotProcessed("it has a limit on token requests", wait or 60.0)
    if status == 401:
        raise TokenRefused("the app id or its private key is not accepted")
    if status == 404:
        raise TokenRefused("the app is no longer installed there")
    if status in {403, 422}:
        raise TokenRefused("the installation is suspended or may not have these permissions")
    if status not in {200, 201}:
        raise Unanswered(f"it answered {status}")


def _granted(answer: httpx.Response) -> Obtained:
    try:
        found = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        raise Unanswered("its answer is not JSON") from None
    value = cast("Mapping[str, object]", found) if isinstance(found, dict) else {}
    token = usable(value.get("token"))
    expires_at = _moment(value.get("expires_at"))
    if token is None or expires_at is None:
        raise Unanswered("its answer holds no token with an expiry")
    permissions = value.get("permissions")
    granted: frozenset[str] | None = None
    if isinstance(permissions, dict):
        named = cast("Mapping[str, object]", permissions)
        granted = frozenset(f"{name}:{level}" for name, level in named.items())
    return Obtained(access_token=token, expires_at=expires_at, granted=granted)


def _moment(text: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment is not None and moment.tzinfo is not None else None
