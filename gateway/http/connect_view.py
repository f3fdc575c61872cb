"""The HTML of the pages on which somebody authorizes a connection."""

from html import escape
from urllib.parse import urlsplit

from gateway.admin.consent import Consent
from gateway.admin.device_rounds import Waiting
from gateway.admin.oauth_sessions import Step
from gateway.clock import moment
from gateway.http.approval_view import text

DEVICE = "/oauth/device"


def ask(consent: Consent) -> str:
    """Return what is asked for, and the button that leads to the vendor."""
    title = text(consent.connector.title)
    maker = consent.session.made_by.name
    how, button = f"You log in at {title} and not here.", f"Go on to {title}"
    if consent.session.flow == "device":
        how, button = f"You get a short code, log in at {title} and type it there.", f"Get a code for {title}"
    return (
        f"<h1>Connect {title} to {text(consent.tenant)}</h1>"
        f"<p>{text(maker)} asks you to let the agents of {text(consent.tenant)} work with your {title} account.</p>"
        f"{_facts(consent)}<h2>What agents may then do, as far as they are granted it</h2>{_sentences(consent)}"
        f"<h2>What {title} is asked for</h2>{_scopes(consent)}"
        f"<p>{how} Afterwards you see the account before anything is connected.</p>"
        f'<form method="post"><div class="row"><button class="approve">{button}</button></div></form>'
    )


def typing(waiting: Waiting) -> str:
    """Return the code to type, where, and how long it is good; while the account is being found, only that."""
    title, code = text(waiting.consent.connector.title), waiting.code
    if code is None:
        said = f"The code was typed. {title} is being asked whose account this is."
        return f'<h1>One moment</h1><p class="note" role="status">{said} This page goes on by itself.</p>'
    place = text(urlsplit(code.page).netloc)
    filled = ""
    if code.filled is not None:
        filled = (
            f"<p>Or open {_link(code.filled, 'the page with the code filled in')}, and go on only where it shows the"
            " same code as this page.</p>"
        )
    trouble = ""
    if waiting.trouble is not None:
        trouble = f'<p class="note bad">{title} could not be asked just now: {text(waiting.trouble)}.</p>'
    until = moment(waiting.until)
    minutes = "a minute" if waiting.minutes == 1 else f"{waiting.minutes} minutes"
    return (
        f"<h1>Type this code at {title}</h1>"
        f'<p class="code">{text(code.typed)}</p>'
        f"<ol><li>Open {_link(code.page, _short_address(code.page))}, here or on any other device.</li>"
        f"<li>Log in there if you are asked to, and type the code.</li>"
        f"<li>Say yes there, then come back to this page. You need not press anything here.</li></ol>{filled}"
        f"<p>The code is good for about {minutes}, until {until:%H:%M} UTC. It is for you alone: give it to nobody, and"
        f" type it only at <strong>{place}</strong>.</p>"
        f'{trouble}<p class="note" role="status">Nobody has typed it yet. This page looks again by itself'
        f' in {waiting.again} seconds. <a href="{DEVICE}">Look now</a></p>'
        f"{_facts(waiting.consent)}"
    )


def confirm(consent: Consent, csrf: str) -> str:
    """Return the account that was authorized, and the form to connect it or not."""
    found = consent.session.found
    assert found is not None
    title = text(consent.connector.title)
    granted = frozenset(found.granted) if found.granted is not None else None
    given = _codes(granted) if granted is not None else f"<p>{title} does not say.</p>"
    return (
        "<h1>Is this the account?</h1>"
        f'<p class="note"><strong>{text(found.label)}</strong><br>{title} account {text(found.id)}</p>'
        f"{_facts(consent)}<dl><dt>Address</dt><dd>{text(found.base_url)}</dd></dl>"
        f"<h2>What {title} granted</h2>{given}{_lacking(consent, granted)}"
        '<form method="post"><input type="hidden" name="csrf" value="' + escape(csrf) + '">'
        '<div class="row"><button class="approve" name="decision" value="connect">Connect this account</button>'
        '<button class="deny" name="decision" value="decline">Not this one</button></div></form>'
    )


def done(consent: Consent) -> str:
    """Return that it is connected."""
    found = consent.session.found
    label = found.label if found is not None else ""
    return (
        '<p class="note good" role="status">Connected. You can close this page.</p>'
        f"<h1>{text(consent.connector.title)}: {text(label)}</h1>{_facts(consent)}"
    )


def declined() -> str:
    """Return that nothing was connected."""
    return (
        "<h1>Nothing was connected</h1>"
        '<p class="note">The access that you gave was thrown away. The link that you were given still works.</p>'
    )


def is_done(consent: Consent) -> bool:
    """Whether the account was connected already."""
    return consent.session.step is Step.DONE


def _link(url: str, shown: str) -> str:
    return f'<a href="{escape(url)}" target="_blank" rel="noopener noreferrer">{text(shown)}</a>'


def _short_address(url: str) -> str:
    """Return an address as people read one out: without its scheme."""
    parts = urlsplit(url)
    return parts.netloc + parts.path


def _facts(consent: Consent) -> str:
    facts = {
        "For": f"{consent.tenant} ({consent.session.place.tenant} / {consent.session.place.environment})",
        "Vendor": consent.connector.title,
        "Connection": consent.connection.name,
        "Asked by": consent.session.made_by.name,
    }
    if consent.connection.account is not None:
        facts["Its account"] = f"{consent.connection.account}: only this one is accepted"
    return "<dl>" + "".join(f"<dt>{text(name)}</dt><dd>{text(value)}</dd>" for name, value in facts.items()) + "</dl>"


def _sentences(consent: Consent) -> str:
    if not consent.needs.sentences:
        return "<p>Nothing yet: no agent was granted anything on this connection.</p>"
    return "<ul>" + "".join(f"<li>{text(sentence)}</li>" for sentence in consent.needs.sentences) + "</ul>"


def _scopes(consent: Consent) -> str:
    return _codes(consent.needs.scopes) if consent.needs.scopes else "<p>No more than to know who you are.</p>"


def _codes(names: frozenset[str]) -> str:
    return "<ul>" + "".join(f"<li><code>{text(name)}</code></li>" for name in sorted(names)) + "</ul>"


def _lacking(consent: Consent, granted: frozenset[str] | None) -> str:
    lacking = consent.needs.scopes - granted if granted is not None else frozenset[str]()
    if not lacking:
        return ""
    return f'<p class="note bad">It was asked for these too, and did not grant them:</p>{_codes(lacking)}'
