"""Record ids: 15 characters where case matters, or 18 of which the last three tell the case of the others.

One record has one spelling here, the 18 characters that Salesforce answers with. It is what is sent too: so what a
grant is compared with is what Salesforce acts on.
Source: Salesforce Object Reference, "ID Field Type".
"""

import re

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_ID = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")


def long_id(text: str) -> str:
    """Return the 18 characters of an id. Raises `ValueError` for what is none.

    The suffix of an id with 18 characters wins over the case in which the others were typed.
    """
    if not _ID.fullmatch(text):
        raise ValueError("an id has 15 or 18 letters and digits")
    plain = text[:15] if len(text) == 15 else _restored(text[:15], text[15:].upper())
    return plain + "".join(_suffix(plain[at : at + 5]) for at in (0, 5, 10))


def canonical(identity: str) -> str:
    """Return the one spelling of an identity or a pattern, `{object}` or `{object}/{id}`.

    Objects are written in lower case, since Salesforce does not tell cases apart, and ids with 18 characters.
    """
    name, slash, record = identity.partition("/")
    if _ID.fullmatch(record):
        try:
            record = long_id(record)
        except ValueError:
            pass  # nothing that Salesforce gives: it stays what it is, and matches nothing
    return name.lower() + slash + record


def _suffix(five: str) -> str:
    return _ALPHABET[sum(1 << at for at, letter in enumerate(five) if "A" <= letter <= "Z")]


def _restored(plain: str, suffix: str) -> str:
    found: list[str] = []
    for at, letter in enumerate(suffix):
        bits = _ALPHABET.find(letter)
        if bits < 0:
            raise ValueError("the last three characters of this id are none that Salesforce gives")
        for place, character in enumerate(plain[at * 5 : at * 5 + 5]):
            capital = bool(bits >> place & 1)
            if capital and not character.isalpha():
                raise ValueError("the last three characters of this id do not fit the others")
            found.append(character.upper() if capital else character.lower())
    return "".join(found)
