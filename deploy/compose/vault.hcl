# OpenBao, or Vault, as one node that keeps what it has: for trying.
storage "raft" {
  path    = "/openbao/file"
  node_id = "vault"
}

listener "tcp" {
  address       = "0.0.0.0:8200"
  tls_cert_file = "/run/keys/server.pem"
  tls_key_file  = "/run/keys/server.key"
}

api_addr     = "https://vault:8200"
cluster_addr = "https://vault:8201"
ui           = false
