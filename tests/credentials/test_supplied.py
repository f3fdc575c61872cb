from typing import Any

import pytest
from credentials import check_fields

from connectors.sdk.auth import AuthMethod
from connectors.sdk.errors import InvalidInput
from tests.credentials.standins import APP, OAUTH, STATIC

PAIR = {"access_token": "a-secret", "refresh_token": "r-secret", "client_id": "Iv1.x", "client_secret": "c-secret"}


def test_what_an_admin_supplies_becomes_a_credential(pem: str) -> None:
    assert check_fields(STATIC, {"token": "t"}).fields == {"token": "t"}
    credential = check_fields(OAUTH, PAIR | {"expires_at": "2026-01-01T13:00:00+01:00"})
    assert credential.fields == PAIR | {"expires_at": "2026-01-01T12:00:00+00:00"}
    assert (credential.method, credential.version) == ("oauth", 0)
    assert check_fields(APP, {"app_id": "1", "installation_id": "2", "private_key": pem}).method == "app"


def test_a_field_that_is_null_is_left_out() -> None:
    assert check_fields(OAUTH, {"access_token": "a", "expires_at": None}).fields == {"access_token": "a"}


@pytest.mark.parametrize(
    "method, fields, pointers",
    [
        (STATIC, {}, ["/token"]),
        (STATIC, {"token": ""}, ["/token"]),
        (STATIC, {"token": "a-secret b-secret"}, ["/token"]),
        (STATIC, {"token": "a-secret\r\nx: y"}, ["/token"]),
        (STATIC, {"token": "sécret-secret"}, ["/token"]),
        (STATIC, {"token": "secret" * 5000}, ["/token"]),
        (STATIC, {"token": 7}, ["/token"]),
        (STATIC, {"token": "x", "a/b": "secret"}, ["/a~1b"]),
        (OAUTH, {"refresh_token": "r-secret"}, ["/access_token", "/client_id"]),
        (OAUTH, {"access_token": "a", "refresh_tokn": "r-secret"}, ["/refresh_tokn"]),
        (OAUTH, PAIR | {"expires_at": "soon-secret"}, ["/expires_at"]),
        (OAUTH, PAIR | {"expires_at": "2026-01-01T00:00:00"}, ["/expires_at"]),
        (OAUTH, PAIR | {"client_id": "a secret"}, ["/client_id"]),
        (OAUTH, PAIR | {"client_secret": "a\nsecret"}, ["/client_secret"]),
        (OAUTH, PAIR | {"refreshing_by": "secret"}, ["/refreshing_by"]),
        (
            APP,
            {"app_id": "1", "installation_id": "../secret", "private_key": "secret"},
            ["/installation_id", "/private_key"],
        ),
        (APP, {}, ["/app_id", "/installation_id", "/private_key"]),
    ],
)
def test_what_does_not_fit_is_refused_at_its_place_without_its_value(
    method: AuthMethod, fields: dict[str, Any], pointers: list[str]
) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_fields(method, fields)
    assert sorted(issue.pointer or "" for issue in refused.value.issues) == pointers
    said = " ".join([str(refused.value), *(issue.message for issue in refused.value.issues)])
    assert "secret" not in said.replace("client_secret", "")
