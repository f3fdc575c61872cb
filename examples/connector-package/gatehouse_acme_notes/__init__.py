"""Acme Notes: the connector and its actions."""

from gatehouse_acme_notes import note
from gatehouse_acme_notes.connector import acme_notes

__all__ = ["note", "acme_notes"]
