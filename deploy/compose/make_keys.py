"""Make what the services of compose.yaml show one another, once: passwords, keys, a certificate. For trying only.

Each service gets a folder with its own files, in a volume of its own, readable by its user alone. A real installation
gets these from whoever keeps its secrets.
"""

import base64
import datetime
import ipaddress
import os
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

USERS = {
    "postgres": 999,
    "redis": 999,
    "vault": 100,
    "gateway": 10001,
    "home-1": 10001,
    "home-2": 10001,
    "operator": 10001,
}
# All that the gateway asks of Redis; the default user may be asked whether the server lives, and no more.
ACL = """user default on nopass resetkeys resetchannels -@all +ping
user gatehouse on >{password} resetkeys resetchannels ~gatehouse:* &gatehouse:* -@all +evalsha +eval +publish \
+subscribe +unsubscribe +ping +time +mget +set +del +hget +hset +hdel +pttl +pexpire +zadd +zremrangebyscore \
+zcard +expire
"""


def main() -> None:
    """Write the files under the folder that is named, unless they are there."""
    root = Path(sys.argv[1])
    done = root / "operator" / "made"
    if done.exists():
        return
    for name, content in files():
        write(root / name, content)
    for folder, user in USERS.items():
        give(root / folder, 0o700, user)
    write(done, b"")  # last: what a crash left half made is made again, and nobody has used it yet


def files() -> Iterator[tuple[str, bytes]]:
    """Give name and content of each file."""
    admin, database, redis = (secrets.token_hex(32).encode() for _ in range(3))
    master = base64.b64encode(secrets.token_bytes(32)) + b"\n"
    ca, certificate, key = certificates()
    yield "postgres/admin.password", admin
    yield "postgres/gatehouse.password", database
    yield "redis/users.acl", ACL.format(password=redis.decode()).encode()
    yield "vault/ca.pem", ca
    yield "vault/server.pem", certificate
    yield "vault/server.key", key
    yield "gateway/postgres.password", database
    yield "gateway/redis.password", redis
    yield "gateway/vault-ca.pem", ca
    yield "home-1/master.key", master
    yield "home-2/master.key", master
    yield "operator/token", f"gha_{secrets.token_hex(13)}_{secrets.token_hex(32)}\n".encode()


def certificates() -> tuple[bytes, bytes, bytes]:
    """Return an authority's certificate, and Vault's with its key. The authority's own key is not kept."""
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority, server = named("gatehouse for trying, CA"), named("gatehouse for trying, vault")
    ca = (
        builder(authority, authority, ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    names = [x509.DNSName("vault"), x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        builder(server, authority, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage(signs=False), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return ca.public_bytes(pem), certificate.public_bytes(pem), private


def named(name: str) -> x509.Name:
    """Return a name for a certificate."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    """Begin a certificate that is good for a year."""
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=365))
    )


def usage(*, signs: bool) -> x509.KeyUsage:
    """Say what a key may do: sign certificates, or shake hands."""
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def write(path: Path, content: bytes) -> None:
    """Write a file that its folder's user alone can read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        os.fsync(file.fileno())
    give(path, 0o600, USERS[path.parent.name])


def give(path: Path, mode: int, user: int) -> None:
    """Hand a path to a user. Without the right to do so it stays ours, as in a try without containers."""
    path.chmod(mode)
    if os.geteuid() == 0:
        os.chown(path, user, user)


if __name__ == "__main__":
    main()
