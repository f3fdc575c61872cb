"""Client certificates (mutual TLS): what a connection shows to its vendor's hosts, besides its token.

Any credential may have one, in two fields: `client_certificate`, the certificate and what stands between it and its
authority, and `client_key`, both PEM. With `client_auth="certificate"` it is the client's whole proof at the token
endpoint (RFC 8705, section 2).
"""

import hashlib
import os
import ssl
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509 import Certificate, load_pem_x509_certificates

from credentials.transport import NotSent, Road

CHAIN, KEY = "client_certificate", "client_key"
_MOST_CHAIN = 10
_LONGEST = 64 * 1024


class KeyUnreadable(ValueError):
    """A private key or a certificate cannot be used. The message says what to supply and quotes nothing of it."""


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """A chain, the client's own certificate first, and its key. `until` is when that certificate ends."""

    chain: str = field(repr=False)
    key: str = field(repr=False)
    until: datetime

    @property
    def digest(self) -> str:
        """Tell certificates apart."""
        return hashlib.sha256(f"{self.chain}\n{self.key}".encode()).hexdigest()

    def context(self, trusting: ssl.SSLContext | None) -> ssl.SSLContext:
        """Return a context that shows it and trusts whom the system trusts, and whom `trusting` does.

        Raises `KeyUnreadable` for what TLS does not take.
        """
        made = ssl.create_default_context()
        known = b"".join(trusting.get_ca_certs(binary_form=True)) if trusting is not None else b""
        if known:
            made.load_verify_locations(cadata=known)
        with _file(f"{self.key}\n{self.chain}") as path:
            try:
                made.load_cert_chain(path, password=_no_password)
            except (ssl.SSLError, OSError, ValueError):
                raise KeyUnreadable(
                    "TLS does not take it: supply a certificate and key that are strong enough"
                ) from None
        return made


def certificate_of(fields: Mapping[str, str]) -> ClientCertificate | None:
    """Return the certificate of a credential, None where it has none. Raises `KeyUnreadable`."""
    chain, key = fields.get(CHAIN), fields.get(KEY)
    if not chain or not key:
        return None
    own = chain_of(chain)[0]
    return ClientCertificate(chain, key, own.not_valid_after_utc)


def chain_of(pem: str) -> list[Certificate]:
    """Return the certificates of a chain. Raises `KeyUnreadable`."""
    try:
        found = load_pem_x509_certificates(pem.encode()) if len(pem) <= _LONGEST else []
    except ValueError:
        found = []
    if not 1 <= len(found) <= _MOST_CHAIN:
        raise KeyUnreadable(f"it cannot be read: supply 1 to {_MOST_CHAIN} certificates as PEM, the client's own first")
    return found


def check_pair(chain: str, key: str) -> None:
    """Raise `KeyUnreadable` unless the key is that of the chain's first certificate, and TLS takes both."""
    try:
        own = load_pem_private_key(key.encode(), None) if len(key) <= _LONGEST else None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        own = None
    if own is None:
        raise KeyUnreadable("it cannot be read: supply the private key as unencrypted PEM")
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if own.public_key().public_bytes(*form) != chain_of(chain)[0].public_key().public_bytes(*form):
        raise KeyUnreadable("it is not the key of the first certificate")
    ClientCertificate(chain, key, chain_of(chain)[0].not_valid_after_utc).context(None)


def identified(road: Road, fields: Mapping[str, str]) -> Road:
    """Return a road that shows the credential's client certificate, where it has one. Raises `NotSent`."""
    try:
        certificate = certificate_of(fields)
        return replace(road, tls=certificate.context(road.trust)) if certificate is not None else road
    except KeyUnreadable as error:
        raise NotSent(f"its client certificate cannot be used: {error}") from error


@contextmanager
def _file(content: str) -> Generator[str]:
    """Give a file of the content: Python's ssl reads keys from files only. In memory where the system can."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("client-certificate")
        try:
            os.write(descriptor, content.encode())
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
        return
    with tempfile.NamedTemporaryFile() as kept:  # only its owner may read it
        kept.write(content.encode())
        kept.flush()
        yield kept.name


def _no_password() -> str:
    """Keep OpenSSL from asking at a terminal."""
    return ""
