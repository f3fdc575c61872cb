# The gateway's own token. It reads no credential itself: for each tenant it makes a child token by a token role,
# whose policy is tenant.hcl. Mounts are those of the defaults; put yours in their place.

# A child token for a tenant.
path "auth/token/create/gatehouse-tenant" {
  capabilities = ["update"]
}

# Its own standing.
path "auth/token/lookup-self" {
  capabilities = ["read"]
}
path "auth/token/renew-self" {
  capabilities = ["update"]
}
path "auth/token/revoke-self" {
  capabilities = ["update"]
}

# Signing checkpoints, and the public keys that check them.
path "gatehouse-transit/sign/gatehouse-checkpoints" {
  capabilities = ["update"]
}
path "gatehouse-transit/keys/gatehouse-checkpoints" {
  capabilities = ["read"]
}

# Data keys of events that belong to no tenant.
path "gatehouse-transit/datakey/plaintext/operators" {
  capabilities = ["update"]
}
# Keys that another wrapped before; `create` makes the key that wraps them.
path "gatehouse-transit/encrypt/operators" {
  capabilities = ["create", "update"]
}
path "gatehouse-transit/decrypt/operators" {
  capabilities = ["update"]
}
path "gatehouse-transit/rewrap/operators" {
  capabilities = ["update"]
}
path "gatehouse-transit/keys/operators" {
  capabilities = ["create", "update"]
}
path "gatehouse-transit/keys/operators/rotate" {
  capabilities = ["update"]
}
