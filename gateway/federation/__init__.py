"""Callers with a token of a federated issuer: what is read of it, how it is checked, and whom it means."""
