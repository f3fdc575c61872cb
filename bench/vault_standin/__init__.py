"""A stand-in for Vault and OpenBao: the endpoints that Gatehouse uses, with their real refusals.

Policies are parsed from HCL and enforced by path and capability, check-and-set, leases, wrapped tokens, namespaces,
transit and the seal behave as Vault documents them. Nothing is kept on disk and no
secret is safe in it: it is for tests.
"""

from bench.vault_standin.server import VaultStandIn

__all__ = ["VaultStandIn"]
