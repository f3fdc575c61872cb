"""The approval page's HTML: no scripts, everything escaped, and what cannot be seen made visible."""

import unicodedata
from collections.abc import Mapping
from html import escape
from typing import Any, cast

import orjson

from gateway.approvals import Approval

_STYLE = """
:root{color-scheme:light dark;--line:#8884;--soft:#8881;--go:#1a7f37;--stop:#b42318}
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:46rem;padding:1.25rem}
h1{font-size:1.35rem;line-height:1.25;margin:.25rem 0 1rem}h2{font-size:1rem;margin:1.5rem 0 .4rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1rem;margin:0}
dt{opacity:.7}dd{margin:0;overflow-wrap:anywhere}
pre{background:var(--soft);border:1px solid var(--line);border-radius:.5rem;margin:.4rem 0;max-height:32rem;
overflow:auto;padding:.75rem;white-space:pre-wrap;overflow-wrap:anywhere;font-size:.85rem}
ul{margin:.25rem 0;padding-left:1.2rem}.note{border-left:.25rem solid var(--line);padding:.4rem .8rem}
.bad{border-color:var(--stop)}.good{border-color:var(--go)}
label{display:block;margin:1rem 0 .25rem}
input,textarea{width:100%;font:inherit;padding:.6rem;border:1px solid var(--line);border-radius:.5rem}
.code{font:700 2rem/1.3 ui-monospace,monospace;letter-spacing:.08em;margin:.5rem 0;overflow-wrap:anywhere}
.row{display:flex;gap:.75rem;margin-top:1rem;flex-wrap:wrap}
button{font:inherit;font-weight:600;padding:.7rem 1.4rem;border:0;border-radius:.5rem;color:#fff;background:#555;
cursor:pointer;flex:1 1 8rem}
.approve{background:var(--go)}.deny{background:var(--stop)}
footer{margin-top:2rem;font-size:.85rem;opacity:.7}
@media(max-width:32rem){dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.5rem}}
"""


def page(title: str, content: str, nonce: str) -> str:
    """Return a whole document around escaped content."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<title>{text(title)}</title><style nonce="{escape(nonce)}">{_STYLE}</style></head>'
        f"<body><main>{content}</main><footer>Gatehouse</footer></body></html>"
    )


def login(id: str, problem: str | None) -> str:
    """Return the form that asks for an admin token."""
    said = f'<p class="note bad" role="alert">{text(problem)}</p>' if problem else ""
    return (
        "<h1>An approval waits for you</h1><p>Sign in with an admin token that may decide approvals.</p>"
        f'{said}<form method="post" action="/approvals/{_path(id)}/login">'
        '<label for="token">Admin token</label>'
        '<input id="token" name="token" type="password" autocomplete="off" required maxlength="200" spellcheck="false">'
        '<div class="row"><button>Sign in</button></div></form>'
    )


def notice(title: str, detail: str, hint: str | None) -> str:
    """Return a page that only says something."""
    more = f"<p>{text(hint)}</p>" if hint else ""
    return f'<h1>{text(title)}</h1><p class="note bad">{text(detail)}</p>{more}'


def question(approval: Approval, *, who: str, csrf: str, lapsed: bool, problem: str | None) -> str:
    """Return who asks for what, what would be sent, and the form to decide while there is time."""
    shown = approval.shown
    said = f'<p class="note bad" role="alert">{text(problem)}</p>' if problem else ""
    ended = _ended(approval, lapsed=lapsed)
    action = text(str(shown.get("title") or approval.action))
    return (
        f"{said}{ended}<h1>{action}</h1>{_facts(approval)}{_risk(shown)}{_requests(shown)}"
        f"<h2>Input</h2>{_json(shown.get('input'))}"
        f"{'' if ended else _form(approval.id, csrf)}"
        f'<form method="post" action="/approvals/{_path(approval.id)}/logout">'
        f'<input type="hidden" name="csrf" value="{escape(csrf)}">'
        f'<div class="row"><button>Sign out {text(who)}</button></div></form>'
    )


def _form(id: str, csrf: str) -> str:
    return (
        f'<form method="post" action="/approvals/{_path(id)}/decide">'
        f'<input type="hidden" name="csrf" value="{escape(csrf)}">'
        '<label for="comment">Comment, which the agent sees when you deny</label>'
        '<textarea id="comment" name="comment" rows="3" maxlength="2000"></textarea>'
        '<div class="row"><button class="approve" name="decision" value="approve">Approve</button>'
        '<button class="deny" name="decision" value="deny">Deny</button></div></form>'
    )


def _ended(approval: Approval, *, lapsed: bool) -> str:
    if approval.status == "pending":
        if not lapsed:
            return ""
        return '<p class="note bad">Nobody decided in time: nothing was sent, and nothing will be.</p>'
    kind = "good" if approval.status == "approved" else "bad"
    by = f" by {text(approval.decided_by)} at {text(approval.decided_at or '')}" if approval.decided_by else ""
    comment = f"<br>{text(approval.comment)}" if approval.comment else ""
    return f'<p class="note {kind}" role="status">This approval is {text(approval.status)}{by}.{comment}</p>'


def _facts(approval: Approval) -> str:
    shown = approval.shown
    agent = cast("Mapping[str, Any]", shown.get("agent") or {})
    facts = {
        "Agent": f"{agent.get('name', '')} ({agent.get('id', approval.agent)})",
        f"For ({'proved by its token' if shown.get('actor_proved') else 'asserted'})": shown.get("actor"),
        "Reason it gives": shown.get("reason"),
        "Its confidence": shown.get("confidence"),
        "Action": approval.action,
        "Connection": shown.get("connection"),
        "Account": shown.get("account"),
        "Where": f"{approval.tenant} / {approval.environment}",
        "Decide before": approval.expires_at,
    }
    rows = "".join(
        f"<dt>{text(name)}</dt><dd>{text(str(value))}</dd>" for name, value in facts.items() if value is not None
    )
    return f"<dl>{rows}</dl>"


def _risk(shown: Mapping[str, Any]) -> str:
    decision = cast("Mapping[str, Any]", shown.get("decision") or {})
    risk = cast("Mapping[str, Any]", decision.get("risk") or {})
    facts = [str(fact) for fact in (*risk.get("facts", ()), *decision.get("reasons", ()))]
    items = "".join(f"<li>{text(fact)}</li>" for fact in facts)
    return f"<h2>Risk {text(str(risk.get('score', 'not known')))} of 100</h2><ul>{items}</ul>"


def _requests(shown: Mapping[str, Any]) -> str:
    requests = cast("list[Any]", shown.get("requests") or [])
    if not requests:
        return "<h2>What would be sent</h2><p>Nothing to the vendor before other steps of the action.</p>"
    return "<h2>Exactly what would be sent</h2>" + "".join(_request(request) for request in requests)


def _request(request: Mapping[str, Any]) -> str:
    """Return one request, its JSON body laid out for reading; the digest is of the exact bytes."""
    headers = cast("Mapping[str, Any]", request.get("headers") or {})
    lines = [f"{request.get('method')} {request.get('url')}", *(f"{name}: {value}" for name, value in headers.items())]
    body = request.get("body", request.get("body_base64"))
    if body is not None:
        lines += ["", _laid_out(str(body))]
    exact = request.get("body_sha256")
    note = f"<p>Body of {request.get('bytes')} bytes, SHA-256 {text(str(exact))}</p>" if exact else ""
    return f"<pre>{text(chr(10).join(lines))}</pre>{note}"


def _laid_out(body: str) -> str:
    try:
        return orjson.dumps(orjson.loads(body), option=orjson.OPT_INDENT_2).decode()
    except orjson.JSONDecodeError:
        return body


def _json(value: object) -> str:
    return f"<pre>{text(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())}</pre>"


def text(value: str) -> str:
    """Return text for HTML. Characters that cannot be seen or turn the direction of reading are written out."""
    return escape("".join(char if _plain(char) else f"\\u{{{ord(char):x}}}" for char in value))


def _plain(char: str) -> bool:
    return char in "\n\t" or unicodedata.category(char) not in {"Cc", "Cf", "Zl", "Zp", "Co", "Cn"}


def _path(id: str) -> str:
    return "".join(char for char in id[:60] if char.isascii() and (char.isalnum() or char == "_"))
