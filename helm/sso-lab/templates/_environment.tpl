{{/*
The environment of the services. It contains no secret: secrets are in files, and
the variables that end in _FILE name these files.
*/}}

{{/* (dict "root" $ "key" "idp" "service" (dict …) "settings" (dict …)) */}}
{{- define "sso-lab.environment" -}}
{{- $values := .root.Values -}}
{{- $at := printf "%s://%s" (include "sso-lab.ownScheme" .root) (include "sso-lab.fullname" .root) -}}
{{- $isBff := has .key (list "app1" "app2") -}}
- {name: BIND, value: 0.0.0.0}
# /metrics has a port of its own, so it is not reachable through a site.
- {name: METRICS_PORT, value: {{ .service.ports.metrics | int | quote }}}
- {name: DOMAIN, value: {{ $values.domain | quote }}}
{{- if or (eq $values.publicScheme "https") (not $values.tls.enabled) }}
- {name: PUBLIC_SCHEME, value: {{ $values.publicScheme }}}
{{- end }}
{{- with include "sso-lab.tlsEnvironment" .root | trim }}
{{ . }}
{{- end }}
# Pages link to deployed sites only.
- {name: SITES, value: {{ include "sso-lab.sites" .root | fromJsonArray | join "," | quote }}}
{{- if eq .key "lab" }}
- {name: DEMO_USERS, value: {{ ternary "on" "off" (and $values.idp.users.demo (not $values.idp.users.existingSecret)) | quote }}}
{{- end }}
- {name: TRUSTED_PROXIES, value: {{ join "," $values.trustedProxies | quote }}}
- {name: FORWARDING_HEADER, value: {{ $values.forwardingHeader }}}
{{- if or $isBff (eq .key "idp") }}
- {name: LOGIN_BUDGET, value: {{ $values.loginBudget.totalKiB | int | quote }}}
- {name: LOGIN_BUDGET_PER_ADDRESS, value: {{ $values.loginBudget.perAddressKiB | int | quote }}}
{{- end }}
{{- if $values.demoCredentials }}
- {name: DEMO_CREDENTIALS, value: "1"}
{{- end }}
- {name: WORKERS, value: {{ .settings.workers | int | quote }}}
- {name: LOG_FORMAT, value: json}
{{- with $values.logFilter }}
- {name: RUST_LOG, value: {{ . | quote }}}
{{- end }}
- {name: DRAIN_NOTICE, value: {{ printf "%ds" ($values.drain.noticeSeconds | int) }}}
- {name: DRAIN_TIMEOUT, value: {{ printf "%ds" ($values.drain.timeoutSeconds | int) }}}
{{- $isLive := include "sso-lab.liveDiagram" .root }}
{{- if or $values.weaken $isLive }}
- {name: LAB, value: "1"}
{{- end }}
{{- if $isLive }}
- {name: LAB_SECRET_FILE, value: /etc/sso-lab/lab/lab-secret}
{{- if ne .key "lab" }}
- {name: LAB_OTLP_ENDPOINT, value: "{{ $at }}-lab:8080"}
{{- else }}
- {name: LAB_OFFERS, value: {{ include "sso-lab.labOffers" .root | quote }}}
# Each name stands for all pods of its service, so a failure is switched at all of them.
- {name: LAB_CONTROLS, value: {{ include "sso-lab.labControls" .root | quote }}}
# The programs of attacks use the public names and connect to the Services.
- {name: LAB_CONNECT, value: {{ include "sso-lab.connect" (dict "root" .root "sites" (list "idp" "app1" "app2" "api1" "api2" "evil") "mtls" false) | quote }}}
{{- with $values.lab.liveDiagram.jaegerUrl }}
- {name: JAEGER_URL, value: {{ . | quote }}}
{{- end }}
{{- end }}
{{- end }}
{{- with $values.weaken }}
- {name: WEAKEN, value: {{ join "," . | quote }}}
{{- end }}
{{- with include "sso-lab.otlpEndpoint" .root }}
- {name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ . | quote }}}
{{- end }}
{{- range $name, $value := $values.telemetry.env }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- if include "sso-lab.hasCa" .root }}
- {name: CA_FILE, value: /etc/sso-lab/ca/ca.crt}
{{- end }}
{{- if .service.store }}
- {name: REDIS_URL_FILE, value: /etc/sso-lab/redis/redis-url}
{{- if (include "sso-lab.redisUrl" . | fromYaml).sentinelKey }}
- {name: REDIS_SENTINEL_PASSWORD_FILE, value: /etc/sso-lab/redis/sentinel-password}
{{- end }}
{{- if include "sso-lab.redisCa" .root }}
- {name: REDIS_CA_FILE, value: /etc/sso-lab/redis-ca/ca.crt}
{{- end }}
{{- end }}
{{- if or .service.secret (include "sso-lab.issuesTls" .root) }}
- {name: STATE_DIR, value: /var/lib/sso-lab}
{{- end }}
{{- if eq .key "idp" }}
- {name: IDP_CONFIG, value: /etc/sso-lab/idp/idp.toml}
{{- if $values.mtls.enabled }}
- {name: MTLS_CLIENT_CA_FILE, value: /var/lib/sso-lab/client-ca.pem}
{{- with $values.mtls.idpUrl }}
- {name: IDP_MTLS_URL, value: {{ . | quote }}}
{{- end }}
{{- end }}
- {name: IDP_SIGNING_ALG, value: {{ $values.idp.signingAlg }}}
- {name: IDP_OPERATOR_KEY_FILE, value: /var/lib/sso-lab/operator.key}
# Logout notices use the apps' public names and connect to their Services.
- {name: IDP_CONNECT, value: {{ include "sso-lab.connect" (dict "root" .root "sites" (list "app1" "app2") "mtls" false) | quote }}}
{{- else if ne .key "lab" }}
# Connections go to the Service. Tokens must still name the public issuer.
- {name: IDP_INTERNAL_URL, value: "{{ $at }}-idp:8081"}
{{- end }}
{{- if and $isBff (include "sso-lab.appsByMtls" .root) }}
# One file with certificate and key.
- {name: {{ upper .key }}_MTLS_CERTIFICATE_FILE, value: /var/lib/sso-lab/{{ .key }}-mtls.pem}
- {name: MTLS_CA_FILE, value: /var/lib/sso-lab/mtls-ca.pem}
- {name: API1_MTLS_URL, value: "{{ replace "http://" "https://" $at }}-api-1:8484"}
- {name: IDP_MTLS_INTERNAL_URL, value: "{{ replace "http://" "https://" $at }}-idp:8481"}
{{- else if $isBff }}
- {name: MTLS, value: "off"}
{{- end }}
{{- if has .key (list "idp" "api1") }}
{{- if $values.mtls.enabled }}
# One file with certificate and key.
- {name: MTLS_CERTIFICATE_FILE, value: /var/lib/sso-lab/mtls.pem}
- {name: MTLS_KEY_FILE, value: /var/lib/sso-lab/mtls.pem}
{{- else }}
- {name: MTLS, value: "off"}
{{- end }}
{{- end }}
{{- if eq .key "app1" }}
- {name: APP1_CLIENT_SECRET_FILE, value: /var/lib/sso-lab/app1-client-secret}
{{- if include "sso-lab.machines" .root }}
- {name: APP1_MACHINE_KEY_FILE, value: /var/lib/sso-lab/app1-machine-client.pem}
{{- end }}
{{- with $values.app1.sessionMode }}
- {name: APP1_SESSION_MODE, value: {{ . }}}
{{- end }}
{{- else if eq .key "app2" }}
# Set although it is the default path: with the default the app would write its public key beside it.
- {name: APP2_CLIENT_KEY_FILE, value: /var/lib/sso-lab/app2-client.pem}
{{- if include "sso-lab.machines" .root }}
- {name: APP2_MACHINE_KEY_FILE, value: /var/lib/sso-lab/app2-machine-client.pem}
{{- end }}
{{- with $values.app2.sessionMode }}
- {name: APP2_SESSION_MODE, value: {{ . }}}
{{- end }}
{{- else if eq .key "api1" }}
- {name: API1_CLIENT_SECRET_FILE, value: /var/lib/sso-lab/api-1-client-secret}
- {name: IDP_GRPC_URL, value: "{{ $at }}-idp:9081"}
- {name: API2_URL, value: "{{ $at }}-api-2:8085"}
- {name: API2_GRPC_URL, value: "{{ $at }}-api-2:9085"}
{{- with include "sso-lab.identityCallers" .root }}
- {name: API1_IDENTITY_CALLERS, value: {{ . | quote }}}
- {name: MTLS_CLIENT_CA_FILE, value: /var/lib/sso-lab/client-ca.pem}
{{- end }}
{{- if $values.api1.keysSecret }}
- {name: API1_KEYS_FILE, value: /etc/sso-lab/api-keys/api-1-keys.json}
{{- end }}
{{- if not $values.lab.enabled }}
# Without the single-page app, no page of another origin calls API-1.
- {name: API1_CORS_ORIGINS, value: none}
{{- end }}
{{- end }}
{{- if and (has .key (list "api1" "api2")) (ne .settings.tokens "jwt") }}
- {name: {{ upper .key }}_TOKENS, value: introspection}
- {name: INTROSPECTION_CACHE, value: {{ printf "%ds" ($values.introspection.cacheSeconds | int) }}}
- {name: INTROSPECTION_ANSWER, value: {{ $values.introspection.answer }}}
{{- if eq .key "api2" }}
- {name: API2_CLIENT_SECRET_FILE, value: /var/lib/sso-lab/api-2-client-secret}
{{- end }}
{{- end }}
{{- if and (has .key (list "api1" "api2")) $values.dpop.apiNonces }}
- {name: API_DPOP_NONCE_KEY_FILE, value: /var/lib/sso-lab/{{ .service.component }}-dpop-nonce.key}
{{- end }}
{{- if $isBff }}
- {name: API1_URL, value: "{{ $at }}-api-1:8084"}
- {name: API2_GRPC_URL, value: "{{ $at }}-api-2:9085"}
- {name: BFF_API1_CREDENTIAL, value: {{ $values.bff.api1Credential }}}
- {name: BFF_API2_CREDENTIAL, value: {{ $values.bff.api2Credential }}}
- {name: BFF_SESSION_MODE_CHOICE, value: {{ ternary "on" "off" $values.bff.sessionModeChoice | quote }}}
{{- if $isLive }}
# The attacker's authorization server, the second provider in the mix-up attack.
- {name: EVIL_INTERNAL_URL, value: "{{ $at }}-lab:8087"}
{{- end }}
- {name: BFF_DPOP, value: {{ ternary "on" "off" $values.bff.dpop | quote }}}
{{- end }}
{{- with .settings.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The ConfigMap with the CA of an external Redis; empty: public CAs only. */}}
{{- define "sso-lab.redisCa" -}}
{{- if eq .Values.redis.mode "external" -}}{{- .Values.redis.external.tls.caConfigMap -}}{{- end -}}
{{- end -}}

{{/* Not empty if outgoing https trusts authorities in addition to the public ones. */}}
{{- define "sso-lab.hasCa" -}}{{- or .Values.ca.configMap .Values.ca.secret -}}{{- end -}}

{{- define "sso-lab.caVolume" -}}
- name: ca
  {{- with .Values.ca.secret }}
  secret:
    secretName: {{ . }}
    defaultMode: 0440
  {{- else }}
  configMap:
    name: {{ .Values.ca.configMap }}
  {{- end }}
    items:
      - {key: {{ .Values.ca.key }}, path: ca.crt}
{{- end -}}

{{/* The volumes of a service, with the same arguments as its environment. */}}
{{- define "sso-lab.volumes" -}}
{{- if or .service.secret (include "sso-lab.issuesTls" .root) }}
- name: state
  projected:
    defaultMode: 0440
    sources:
      {{- if include "sso-lab.issuesTls" .root }}
      - secret:
          name: {{ include "sso-lab.tlsSecret" (dict "root" .root "component" .service.component) }}
          items:
            - {key: tls.pem, path: tls.pem}
            - {key: ca.pem, path: ca.pem}
      {{- end }}
      {{- with .service.secret }}
      - secret:
          name: {{ .name }}
          items:
            {{- range .files }}
            - {key: {{ . }}, path: {{ . }}}
            {{- end }}
      {{- with .optional }}
      - secret:
          name: {{ $.service.secret.name }}
          optional: true
          items:
            {{- range . }}
            - {key: {{ . }}, path: {{ . }}}
            {{- end }}
      {{- end }}
      {{- if eq $.key "idp" }}
      {{- if include "sso-lab.hasUsers" $.root }}
      - secret:
          name: {{ include "sso-lab.usersSecret" $.root }}
          items:
            - {key: users.toml, path: users.toml}
      {{- end }}
      {{- end }}
      {{- end }}
{{- end }}
{{- if and .root.Values.tls.enabled .root.Values.tls.existingSecret }}
- name: tls
  secret:
    secretName: {{ .root.Values.tls.existingSecret }}
    defaultMode: 0440
    items:
      - {key: tls.crt, path: tls.crt}
      - {key: tls.key, path: tls.key}
{{- end }}
{{- if eq .key "idp" }}
- name: config
  configMap:
    name: {{ include "sso-lab.fullname" .root }}-idp
{{- end }}
{{- if eq .key "api1" }}
{{- with .root.Values.api1.keysSecret }}
- name: api-keys
  secret:
    secretName: {{ . }}
    defaultMode: 0440
    items:
      - {key: api-1-keys.json, path: api-1-keys.json}
{{- end }}
{{- end }}
{{- if include "sso-lab.liveDiagram" .root }}
- name: lab
  secret:
    secretName: {{ include "sso-lab.labSecret" .root }}
    defaultMode: 0440
    items:
      - {key: lab-secret, path: lab-secret}
{{- end }}
{{- if include "sso-lab.hasCa" .root }}
{{ include "sso-lab.caVolume" .root }}
{{- end }}
{{- if .service.store }}
{{- $url := include "sso-lab.redisUrl" . | fromYaml }}
- name: redis
  secret:
    secretName: {{ $url.name }}
    defaultMode: 0440
    items:
      - {key: {{ $url.key }}, path: redis-url}
      {{- with $url.sentinelKey }}
      - {key: {{ . }}, path: sentinel-password}
      {{- end }}
{{- with include "sso-lab.redisCa" .root }}
- name: redis-ca
  configMap:
    name: {{ . }}
    items:
      - {key: {{ $.root.Values.redis.external.tls.caKey }}, path: ca.crt}
{{- end }}
{{- end }}
{{- end -}}

{{/* The mounts of these volumes. */}}
{{- define "sso-lab.mounts" -}}
{{- if and .root.Values.tls.enabled .root.Values.tls.existingSecret }}
- {name: tls, mountPath: /etc/sso-lab/tls, readOnly: true}
{{- end }}
{{- if or .service.secret (include "sso-lab.issuesTls" .root) }}
- {name: state, mountPath: /var/lib/sso-lab, readOnly: true}
{{- end }}
{{- if eq .key "idp" }}
- {name: config, mountPath: /etc/sso-lab/idp, readOnly: true}
{{- end }}
{{- if and (eq .key "api1") .root.Values.api1.keysSecret }}
- {name: api-keys, mountPath: /etc/sso-lab/api-keys, readOnly: true}
{{- end }}
{{- if include "sso-lab.liveDiagram" .root }}
- {name: lab, mountPath: /etc/sso-lab/lab, readOnly: true}
{{- end }}
{{- if include "sso-lab.hasCa" .root }}
- {name: ca, mountPath: /etc/sso-lab/ca, readOnly: true}
{{- end }}
{{- if .service.store }}
- {name: redis, mountPath: /etc/sso-lab/redis, readOnly: true}
{{- if include "sso-lab.redisCa" .root }}
- {name: redis-ca, mountPath: /etc/sso-lab/redis-ca, readOnly: true}
{{- end }}
{{- end }}
{{- end -}}
