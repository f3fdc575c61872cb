"""A connector that keeps the whole contract, for tests that break it in one place at a time."""
