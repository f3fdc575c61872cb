{{/* What the gateway and the job that sets it up have alike. */}}
{{- define "gatehouse.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{- define "gatehouse.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: { drop: [ALL] }
{{- end -}}

{{- define "gatehouse.mounts" -}}
- { name: home, mountPath: /var/lib/gatehouse }
- { name: tmp, mountPath: /tmp }
- { name: vault-token, mountPath: /run/vault, readOnly: true }
{{- if .Values.tls.secret }}
- { name: tls, mountPath: /run/tls, readOnly: true }
{{- end }}
{{- if .Values.tls.callersConfigMap }}
- { name: callers, mountPath: /run/callers, readOnly: true }
{{- end }}
{{- if .Values.vault.caConfigMap }}
- { name: vault-ca, mountPath: /run/vault-ca, readOnly: true }
{{- end }}
{{- if .Values.redis.passwordFromSecret }}
- { name: redis, mountPath: /run/redis, readOnly: true }
{{- end }}
{{- end -}}

{{- define "gatehouse.volumes" -}}
{{- with .Values.tls.secret }}
- { name: tls, secret: { secretName: {{ . }}, defaultMode: 0440 } }
{{- end }}
{{- with .Values.tls.callersConfigMap }}
- { name: callers, configMap: { name: {{ . }} } }
{{- end }}
# Lock files of this pod's processes, and the last checkpoint: nothing that must outlive the pod.
- { name: home, emptyDir: { sizeLimit: 64Mi } }
- { name: tmp, emptyDir: { sizeLimit: 64Mi, medium: Memory } }
- name: vault-token
  projected:
    defaultMode: 0440
    sources:
      - serviceAccountToken:
          path: token
          audience: {{ .Values.vault.audience }}
          expirationSeconds: 3600
{{- with .Values.vault.caConfigMap }}
- { name: vault-ca, configMap: { name: {{ . }} } }
{{- end }}
{{- if .Values.redis.passwordFromSecret }}
- name: redis
  secret:
    secretName: {{ .Values.existingSecret }}
    defaultMode: 0440
    items: [{ key: redis-password, path: redis-password }]
{{- end }}
{{- end -}}

{{- define "gatehouse.env" -}}
- name: GATEHOUSE_DATABASE_URL
  valueFrom: { secretKeyRef: { name: {{ .Values.existingSecret }}, key: database-url } }
- name: GATEHOUSE_MASTER_KEY
  valueFrom: { secretKeyRef: { name: {{ .Values.existingSecret }}, key: master-key } }
- name: GATEHOUSE_VAULT_ADDR
  value: {{ .Values.vault.address | quote }}
- name: GATEHOUSE_VAULT_LOGIN
  value: kubernetes
- name: GATEHOUSE_VAULT_LOGIN_MOUNT
  value: {{ .Values.vault.loginMount | quote }}
- name: GATEHOUSE_VAULT_ROLE
  value: {{ .Values.vault.role | quote }}
- name: GATEHOUSE_VAULT_JWT_FILE
  value: /run/vault/token
- name: GATEHOUSE_VAULT_MOUNT
  value: {{ .Values.vault.mount | quote }}
- name: GATEHOUSE_VAULT_TRANSIT_MOUNT
  value: {{ .Values.vault.transitMount | quote }}
{{- with .Values.vault.namespace }}
- name: GATEHOUSE_VAULT_NAMESPACE
  value: {{ . | quote }}
{{- end }}
{{- if .Values.vault.caConfigMap }}
- name: GATEHOUSE_VAULT_CA_FILE
  value: /run/vault-ca/ca.pem
{{- end }}
{{- if .Values.tls.secret }}
- name: GATEHOUSE_TLS_CERTIFICATE_FILE
  value: /run/tls/tls.crt
- name: GATEHOUSE_TLS_KEY_FILE
  value: /run/tls/tls.key
{{- end }}
{{- if .Values.tls.callersConfigMap }}
- name: GATEHOUSE_TLS_CLIENT_CA_FILE
  value: /run/callers/ca.pem
{{- end }}
{{- with .Values.redis.url }}
- name: GATEHOUSE_REDIS_URL
  value: {{ . | quote }}
{{- end }}
{{- with .Values.redis.username }}
- name: GATEHOUSE_REDIS_USERNAME
  value: {{ . | quote }}
{{- end }}
{{- if .Values.redis.passwordFromSecret }}
- name: GATEHOUSE_REDIS_PASSWORD_FILE
  value: /run/redis/redis-password
{{- end }}
{{- with .Values.publicUrl }}
- name: GATEHOUSE_PUBLIC_URL
  value: {{ . | quote }}
{{- end }}
{{- with .Values.connectors }}
- name: GATEHOUSE_CONNECTORS
  value: {{ join "," . | quote }}
{{- end }}
{{- with .Values.openedNetworks }}
- name: GATEHOUSE_OPENED_NETWORKS
  value: {{ join "," . | quote }}
{{- end }}
{{- with .Values.trustedProxies }}
- name: GATEHOUSE_TRUSTED_PROXIES
  value: {{ join "," . | quote }}
{{- end }}
{{- with .Values.outboundProxy }}
- name: GATEHOUSE_OUTBOUND_PROXY
  value: {{ . | quote }}
{{- end }}
{{- with .Values.otlpEndpoint }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ . | quote }}
{{- end }}
- name: GATEHOUSE_DRAIN_SECONDS
  value: {{ .Values.drainSeconds | quote }}
{{- range $name, $value := .Values.settings }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end -}}
