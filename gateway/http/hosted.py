"""Pages for people: server-rendered, without scripts, kept by nobody, and the forms that they send."""

import secrets
from urllib.parse import parse_qsl, urlsplit

from aiohttp import web

from connectors.sdk.errors import MalformedRequest, PayloadTooLarge, PolicyDenied
from gateway.http import approval_view as view

_MOST_BYTES = 64 * 1024


def html(
    title: str, content: str, status: int = 200, *, form_action: str = "'self'", refresh: int | None = None
) -> web.Response:
    """Return a page. `form_action` is where its forms may lead, in the words of a Content-Security-Policy; after
    `refresh` seconds browsers load it again.
    """
    nonce = secrets.token_urlsafe(16)
    policy = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; form-action {form_action}; frame-ancestors 'none';"
        " base-uri 'none'"
    )
    headers = {
        "Content-Security-Policy": policy,
        "X-Frame-Options": "DENY",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cache-Control": "no-store",
    }
    if refresh is not None:
        headers["Refresh"] = str(refresh)
    return web.Response(text=view.page(title, content, nonce), status=status, headers=headers, content_type="text/html")


def see_other(location: str) -> web.Response:
    """Return the answer to a form that was taken: look there."""
    return web.Response(
        status=303, headers={"Location": location, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    )


async def read_form(request: web.Request, public_url: str | None) -> dict[str, str]:
    """Return a form that a page of ours sent. Raises `PolicyDenied` for another site's, `MalformedRequest`."""
    check_origin(request, public_url)
    if request.content_type != "application/x-www-form-urlencoded":
        raise MalformedRequest("This is not a form of this page.")
    raw = b""
    async for part in request.content.iter_any():
        raw += part
        if len(raw) > _MOST_BYTES:
            raise PayloadTooLarge("The form is too large.")
    try:
        return dict(parse_qsl(raw.decode(), keep_blank_values=True, max_num_fields=10, errors="strict"))
    except ValueError as error:
        raise MalformedRequest("The form cannot be read.") from error


def check_origin(request: web.Request, public_url: str | None) -> None:
    """Raise `PolicyDenied` for a form that a page of another site sent, as browsers tell."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None:
        ours = site == "same-origin"
    else:
        # Neither: then the form's own token and the cookie still stand.
        own = urlsplit(public_url).netloc if public_url else request.host
        ours = origin is None or urlsplit(origin).netloc == own
    if not ours:
        raise PolicyDenied("This form came from another site.", hint="Open the page itself, and send its form.")
