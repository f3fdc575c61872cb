"""What a gateway costs over PostgreSQL, Redis and Vault, beside the bare proxy and the embedded one."""
