{{/*
Which Secrets the Job makes, for `sso-lab secrets --spec`: names, keys and kinds,
nothing secret. A Secret that you bring (existingSecret) is not in it; empty: you
bring all of them.
*/}}
{{- define "sso-lab.secretsSpec" -}}
{{- $root := . -}}
{{- $name := dict -}}
{{- range $key := list "idp" "app1" "app2" "api1" -}}
{{- $name = set $name $key (include "sso-lab.secretName" (dict "root" $root "key" $key)) -}}
{{- end -}}
{{- $brings := dict "idp" .Values.idp.existingSecret "app1" .Values.app1.existingSecret "app2" .Values.app2.existingSecret "api1" .Values.api1.existingSecret -}}
{{- if and $brings.idp (not $brings.app2) -}}
{{- fail "app2.existingSecret is needed with idp.existingSecret: the IdP's Secret has the public half of app2's key, and from that no private one can be made" -}}
{{- end -}}
{{- $secrets := list -}}
{{- if and (eq .Values.redis.mode "demo") (not .Values.redis.existingSecret) -}}
{{- $redis := include "sso-lab.redisSecret" . -}}
{{- $url := printf "redis://sso-lab:${redis-password}@%s-redis:6379/0" (include "sso-lab.fullname" .) -}}
{{- $secrets = append $secrets (dict "name" $redis "keys" (list
  (dict "name" "redis-password" "kind" "password")
  (dict "name" "redis-url" "kind" "redis-url" "template" $url))) -}}
{{- end -}}
{{- /* A client's secret is made at the client, and copied to the IdP; the other way round where you bring the IdP's. */ -}}
{{- range $key, $file := dict "app1" "app1-client-secret" "api1" "api-1-client-secret" -}}
{{- if not (get $brings $key) -}}
{{- $keys := list -}}
{{- if $brings.idp -}}
{{- $keys = append $keys (dict "name" $file "kind" "copy" "from_secret" $name.idp "from_key" $file) -}}
{{- else -}}
{{- $keys = append $keys (dict "name" $file "kind" "token") -}}
{{- end -}}
{{- if eq $key "app1" -}}{{- $keys = append $keys (dict "name" "bff-sealing.key" "kind" "sealing-key") -}}{{- end -}}
{{- $secrets = append $secrets (dict "name" (get $name $key) "keys" $keys) -}}
{{- end -}}
{{- end -}}
{{- if not $brings.app2 -}}
{{- $secrets = append $secrets (dict "name" $name.app2 "keys" (list
  (dict "name" "app2-client.pem" "kind" "client-key")
  (dict "name" "bff-sealing.key" "kind" "sealing-key"))) -}}
{{- end -}}
{{- /* The last one: it copies from the others. */ -}}
{{- if not $brings.idp -}}
{{- $keys := list
  (dict "name" "idp-es256.pem" "kind" "signing-key-es256")
  (dict "name" "idp-rs256.pem" "kind" "signing-key-rs256")
  (dict "name" "idp-eddsa.pem" "kind" "signing-key-eddsa")
  (dict "name" "idp-refresh.key" "kind" "sealing-key")
  (dict "name" "operator.key" "kind" "token")
  (dict "name" "app2-client.jwks.json" "kind" "client-jwks" "from_secret" $name.app2 "from_key" "app2-client.pem") -}}
{{- $apps := dict "app1" $name.app1 "api-1" $name.api1 -}}
{{- range $client := include "sso-lab.clientsWithSecret" . | fromYamlArray -}}
{{- $file := include "sso-lab.clientSecretFile" $client -}}
{{- if hasKey $apps $client -}}
{{- $keys = append $keys (dict "name" $file "kind" "copy" "from_secret" (get $apps $client) "from_key" $file) -}}
{{- else -}}
{{- $keys = append $keys (dict "name" $file "kind" "token") -}}
{{- end -}}
{{- end -}}
{{- $secrets = append $secrets (dict "name" $name.idp "keys" $keys) -}}
{{- end -}}
{{- if $secrets -}}
{{- dict "secrets" $secrets | toToml -}}
{{- end -}}
{{- end -}}

{{/* Every Secret that the Job reads or writes. */}}
{{- define "sso-lab.secretNames" -}}
{{- $names := list -}}
{{- range (include "sso-lab.secretsSpec" . | fromToml).secrets -}}
{{- $names = append $names .name -}}
{{- range .keys -}}
{{- with .from_secret -}}{{- $names = append $names . -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- $names | uniq | sortAlpha | toYaml -}}
{{- end -}}

{{- define "sso-lab.secretsContainer" -}}
- name: secrets
  {{- include "sso-lab.image" (dict "root" . "program" "sso-lab" "image" .Values.cli.image) | nindent 2 }}
  args: [secrets, --namespace, {{ .Release.Namespace }}, --spec, /etc/sso-lab/secrets/secrets.toml]
  resources:
    {{- toYaml .Values.cli.resources | nindent 4 }}
  securityContext:
    {{- include "sso-lab.containerSecurity" . | nindent 4 }}
  volumeMounts:
    - {name: spec, mountPath: /etc/sso-lab/secrets, readOnly: true}
{{- end -}}
