"""What replicas share for speed, and the same in the memory of a single process. Truth is in the ledger."""
