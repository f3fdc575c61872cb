"""Chaos with two replicas: they, PostgreSQL, Redis, Vault and the vendors fail, in turn and at once."""
