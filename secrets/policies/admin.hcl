# Who sets Gatehouse up at Vault, moves it to a new version and erases a tenant's key. It reads no credential.

path "sys/mounts/gatehouse" {
  capabilities = ["create", "update"]
}
path "sys/mounts/gatehouse-transit" {
  capabilities = ["create", "update"]
}
path "gatehouse/config" {
  capabilities = ["create", "read", "update"]
}

# Only the two policies that the gateway's tokens have. What is written here decides what the gateway may do.
path "sys/policies/acl/gatehouse-gateway" {
  capabilities = ["create", "read", "update"]
}
path "sys/policies/acl/gatehouse-tenant" {
  capabilities = ["create", "read", "update"]
}
path "sys/auth" {
  capabilities = ["read"]
}
path "auth/token/roles/gatehouse-tenant" {
  capabilities = ["create", "read", "update"]
}

# The gateway's way in.
path "auth/approle/role/gatehouse" {
  capabilities = ["create", "read", "update"]
}
path "auth/approle/role/gatehouse/role-id" {
  capabilities = ["read"]
}
path "auth/approle/role/gatehouse/secret-id" {
  capabilities = ["create", "update"]
}
path "auth/kubernetes/role/gatehouse" {
  capabilities = ["create", "read", "update"]
}

# The key that signs checkpoints.
path "gatehouse-transit/keys/gatehouse-checkpoints" {
  capabilities = ["create", "read", "update"]
}
path "gatehouse-transit/keys/gatehouse-checkpoints/rotate" {
  capabilities = ["update"]
}

# Erasing a tenant for ever.
path "gatehouse-transit/keys/+/config" {
  capabilities = ["update"]
}
path "gatehouse-transit/keys/+" {
  capabilities = ["delete"]
}
