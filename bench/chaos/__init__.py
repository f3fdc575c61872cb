"""Chaos: a real gateway is killed and its vendor misbehaves, and the vendor's own record is the judge."""
