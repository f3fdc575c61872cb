# The child token of one tenant, for all tenants: the entity alias of the token is the tenant's id. Put the accessor of
# the token auth method in the place of TOKEN_ACCESSOR: `vault auth list -format=json | jq -r '."token/".accessor'`.

# Its connections' credentials.
path "gatehouse/data/tenants/{{identity.entity.aliases.TOKEN_ACCESSOR.name}}/+/connections/+" {
  capabilities = ["create", "read", "update"]
}
path "gatehouse/metadata/tenants/{{identity.entity.aliases.TOKEN_ACCESSOR.name}}/+/connections/+" {
  capabilities = ["read", "delete"]
}
path "gatehouse/destroy/tenants/{{identity.entity.aliases.TOKEN_ACCESSOR.name}}/+/connections/+" {
  capabilities = ["update"]
}

# Its data keys.
path "gatehouse-transit/datakey/plaintext/tenant-{{identity.entity.aliases.TOKEN_ACCESSOR.name}}" {
  capabilities = ["update"]
}
# Keys that another wrapped before; `create` makes the key that wraps them.
path "gatehouse-transit/encrypt/tenant-{{identity.entity.aliases.TOKEN_ACCESSOR.name}}" {
  capabilities = ["create", "update"]
}
path "gatehouse-transit/decrypt/tenant-{{identity.entity.aliases.TOKEN_ACCESSOR.name}}" {
  capabilities = ["update"]
}
path "gatehouse-transit/rewrap/tenant-{{identity.entity.aliases.TOKEN_ACCESSOR.name}}" {
  capabilities = ["update"]
}
path "gatehouse-transit/keys/tenant-{{identity.entity.aliases.TOKEN_ACCESSOR.name}}" {
  capabilities = ["create", "update"]
}
path "gatehouse-transit/keys/tenant-{{identity.entity.aliases.TOKEN_ACCESSOR.name}}/rotate" {
  capabilities = ["update"]
}
