{{/*
The Secrets that the Job makes, for `sso-lab secrets --spec`: names, keys and kinds of
keys, but no secret value. Secrets that you bring (existingSecret) are left out; the
result is empty if you bring all of them.
*/}}
{{- define "sso-lab.secretsSpec" -}}
{{- $root := . -}}
{{- $name := dict -}}
{{- range $key := list "idp" "app1" "app2" "api1" "api2" -}}
{{- $name = set $name $key (include "sso-lab.secretName" (dict "root" $root "key" $key)) -}}
{{- end -}}
{{- $brings := dict "idp" .Values.idp.existingSecret "app1" .Values.app1.existingSecret "app2" .Values.app2.existingSecret "api1" .Values.api1.existingSecret "api2" .Values.api2.existingSecret -}}
{{- $machines := include "sso-lab.machines" . -}}
{{- if and $brings.idp (not $brings.app2) -}}
{{- fail "app2.existingSecret is required with idp.existingSecret: the IdP's Secret has app2's public key, and the Job cannot make the matching private key" -}}
{{- end -}}
{{- if and $brings.idp $machines (not $brings.app1) -}}
{{- fail "app1.existingSecret is required with idp.existingSecret where an app needs its machine identity (bff.api1Credential, bff.api2Credential, bff.sessionModeChoice): the IdP's Secret has the public key, and the Job cannot make the matching private key" -}}
{{- end -}}
{{- $byMtls := include "sso-lab.appsByMtls" . -}}
{{- if and $brings.idp $byMtls (not (and $brings.app1 $brings.app2)) -}}
{{- fail "app1.existingSecret and app2.existingSecret are required with idp.existingSecret where the apps have a certificate (bff.api1Credential, bff.sessionModeChoice): the IdP's Secret has the certificate of the authority, and the Job cannot issue by it. Or set mtls.enabled to false" -}}
{{- end -}}
{{- $secrets := list -}}
{{- /* Each service has its own user of the demo's Redis. Only that service and Redis have the password. */ -}}
{{- if eq .Values.redis.mode "demo" -}}
{{- $passwords := dict -}}
{{- $urls := list -}}
{{- range $key, $service := include "sso-lab.services" . | fromYaml -}}
{{- if $service.store -}}
{{- $password := printf "%s-password" $service.component -}}
{{- $passwords = set $passwords $password (dict "kind" "password") -}}
{{- if not (get $root.Values.redis.urlSecrets $key) -}}
{{- $name := (include "sso-lab.redisUrl" (dict "root" $root "key" $key "service" $service) | fromYaml).name -}}
{{- $from := printf "%s/%s" (include "sso-lab.redisSecret" $root) $password -}}
{{- $template := printf "redis://sso-lab-%s:${password}@%s-redis:6379/0" $service.component (include "sso-lab.fullname" $root) -}}
{{- $urls = append $urls (dict "name" $name "keys" (dict "redis-url" (dict "kind" "redis-url" "from" $from "template" $template))) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if not .Values.redis.existingSecret -}}
{{- $secrets = append $secrets (dict "name" (include "sso-lab.redisSecret" .) "keys" $passwords) -}}
{{- end -}}
{{- $secrets = concat $secrets $urls -}}
{{- end -}}
{{- /* The Job makes a client's secret in the client's Secret and copies it to the IdP's; if you bring the IdP's Secret, it copies in the other direction. */ -}}
{{- range $key, $file := dict "app1" "app1-client-secret" "api1" "api-1-client-secret" "api2" "api-2-client-secret" -}}
{{- if not (get $brings $key) -}}
{{- $keys := dict -}}
{{- if $brings.idp -}}
{{- $keys = set $keys $file (dict "kind" "copy" "from" (printf "%s/%s" $name.idp $file)) -}}
{{- else -}}
{{- $keys = set $keys $file (dict "kind" "token") -}}
{{- end -}}
{{- if eq $key "app1" -}}
{{- $keys = set $keys "bff-sealing.key" (dict "kind" "sealing-key") -}}
{{- if $root.Values.bff.dpop -}}{{- $keys = set $keys "bff-dpop.key" (dict "kind" "sealing-key") -}}{{- end -}}
{{- if $machines -}}{{- $keys = set $keys "app1-machine-client.pem" (dict "kind" "client-key") -}}{{- end -}}
{{- if $byMtls -}}{{- $keys = merge $keys (include "sso-lab.appCertificate" (dict "root" $root "app" "app1") | fromJson) -}}{{- end -}}
{{- else if $root.Values.dpop.apiNonces -}}
{{- $keys = set $keys (printf "%s-dpop-nonce.key" (trimSuffix "-client-secret" $file)) (dict "kind" "token") -}}
{{- end -}}
{{- if and (eq $key "api1") $root.Values.mtls.enabled -}}
{{- $keys = set $keys "mtls.pem" (include "sso-lab.serverCertificate" (dict "root" $root "site" "api1" "component" "api-1") | fromJson) -}}
{{- end -}}
{{- if and (eq $key "api1") (include "sso-lab.identityCallers" $root) -}}
{{- $keys = set $keys "client-ca.pem" (dict "kind" "authority-certificate" "from" (include "sso-lab.authority" $root)) -}}
{{- end -}}
{{- $secrets = append $secrets (dict "name" (get $name $key) "keys" $keys) -}}
{{- end -}}
{{- end -}}
{{- if not $brings.app2 -}}
{{- $keys := dict
  "app2-client.pem" (dict "kind" "client-key")
  "bff-sealing.key" (dict "kind" "sealing-key") -}}
{{- if .Values.bff.dpop -}}{{- $keys = set $keys "bff-dpop.key" (dict "kind" "sealing-key") -}}{{- end -}}
{{- if $machines -}}{{- $keys = set $keys "app2-machine-client.pem" (dict "kind" "client-key") -}}{{- end -}}
{{- if $byMtls -}}{{- $keys = merge $keys (include "sso-lab.appCertificate" (dict "root" $root "app" "app2") | fromJson) -}}{{- end -}}
{{- $secrets = append $secrets (dict "name" $name.app2 "keys" $keys) -}}
{{- end -}}
{{- if not $brings.idp -}}
{{- $keys := dict
  "idp-es256.pem" (dict "kind" "signing-key-es256")
  "idp-rs256.pem" (dict "kind" "signing-key-rs256")
  "idp-eddsa.pem" (dict "kind" "signing-key-eddsa")
  "idp-refresh.key" (dict "kind" "sealing-key")
  "idp-records.key" (dict "kind" "sealing-key")
  "idp-records.upgraded" (dict "kind" "records-upgraded")
  "operator.key" (dict "kind" "token")
  "app2-client.jwks.json" (dict "kind" "client-jwks" "from" (printf "%s/app2-client.pem" $name.app2)) -}}
{{- if $machines -}}
{{- range $app := list "app1" "app2" -}}
{{- $from := printf "%s/%s-machine-client.pem" (get $name $app) $app -}}
{{- $keys = set $keys (printf "%s-machine-client.jwks.json" $app) (dict "kind" "client-jwks" "from" $from) -}}
{{- end -}}
{{- end -}}
{{- /* The demo's machine with a key of its own; no service reads its private half. */ -}}
{{- if .Values.idp.demoClients -}}
{{- $batch := include "sso-lab.batchKeySecret" . -}}
{{- $secrets = append $secrets (dict "name" $batch "keys" (dict "batch-jwt-client.pem" (dict "kind" "client-key"))) -}}
{{- $keys = set $keys "batch-jwt-client.jwks.json" (dict "kind" "client-jwks" "from" (printf "%s/batch-jwt-client.pem" $batch)) -}}
{{- end -}}
{{- if .Values.mtls.enabled -}}
{{- $keys = set $keys "mtls.pem" (include "sso-lab.serverCertificate" (dict "root" . "site" "idp" "component" "idp") | fromJson) -}}
{{- $keys = set $keys "client-ca.pem" (dict "kind" "authority-certificate" "from" (include "sso-lab.authority" .)) -}}
{{- end -}}
{{- $apps := dict "app1" $name.app1 "api-1" $name.api1 "api-2" $name.api2 -}}
{{- range $client := include "sso-lab.clientsWithSecret" . | fromYamlArray -}}
{{- $file := include "sso-lab.clientSecretFile" $client -}}
{{- if hasKey $apps $client -}}
{{- $keys = set $keys $file (dict "kind" "copy" "from" (printf "%s/%s" (get $apps $client) $file)) -}}
{{- else -}}
{{- $keys = set $keys $file (dict "kind" "token") -}}
{{- end -}}
{{- end -}}
{{- $secrets = append $secrets (dict "name" $name.idp "keys" $keys) -}}
{{- end -}}
{{- if and (include "sso-lab.liveDiagram" .) (not .Values.lab.liveDiagram.existingSecret) -}}
{{- $secrets = append $secrets (dict "name" (include "sso-lab.labSecret" .) "keys" (dict "lab-secret" (dict "kind" "token"))) -}}
{{- end -}}
{{- /* No pod mounts the authority. If you bring the Secrets of both services, mTLS needs nothing of it. */ -}}
{{- $from := include "sso-lab.authority" . -}}
{{- $mtls := and .Values.mtls.enabled (not (and $brings.idp $brings.api1)) -}}
{{- if or $mtls (include "sso-lab.issuesTls" .) -}}
{{- $secrets = append $secrets (dict "name" (splitList "/" $from | first) "keys" (dict "ca-bundle.pem" (dict "kind" "authority"))) -}}
{{- end -}}
{{- if and $mtls .Values.idp.demoClients (not $brings.idp) -}}
{{- $secrets = append $secrets (dict "name" (include "sso-lab.batchMtlsSecret" .) "keys" (dict
  "client.pem" (dict "kind" "client-certificate" "from" $from "subject" "batch-mtls")
  "ca.pem" (dict "kind" "authority-certificate" "from" $from))) -}}
{{- end -}}
{{- if include "sso-lab.issuesTls" . -}}
{{- range $key, $service := include "sso-lab.services" . | fromYaml -}}
{{- $secrets = append $secrets (dict "name" (include "sso-lab.tlsSecret" (dict "root" $root "component" $service.component)) "keys" (dict
  "tls.pem" (include "sso-lab.tlsCertificate" (dict "root" $root "service" $service) | fromJson)
  "ca.pem" (dict "kind" "authority-certificate" "from" $from))) -}}
{{- end -}}
{{- end -}}
{{- if $secrets -}}
{{- $labels := dict
  "app.kubernetes.io/part-of" "sso-lab"
  "app.kubernetes.io/instance" .Release.Name
  "app.kubernetes.io/managed-by" "sso-lab-secrets" -}}
{{- dict "labels" $labels "secrets" $secrets | toToml -}}
{{- end -}}
{{- end -}}

{{/* The Secret with the key of the demo's client batch-jwt. */}}
{{- define "sso-lab.batchKeySecret" -}}
{{- printf "%s-batch-jwt" (include "sso-lab.fullname" .) -}}
{{- end -}}

{{/* Secret and key of the certificate authority of mTLS. */}}
{{- define "sso-lab.authority" -}}
{{- printf "%s-ca/ca-bundle.pem" (include "sso-lab.fullname" .) -}}
{{- end -}}

{{/* The certificate of an app, and that of the authority, which vouches for the mTLS ports. (dict "root" $ "app" "app1") */}}
{{- define "sso-lab.appCertificate" -}}
{{- $from := include "sso-lab.authority" .root -}}
{{- dict
  (printf "%s-mtls.pem" .app) (dict "kind" "client-certificate" "from" $from "subject" (printf "%s-mtls" .app) "uri" (include "sso-lab.spiffeId" .app))
  "mtls-ca.pem" (dict "kind" "authority-certificate" "from" $from) | toJson -}}
{{- end -}}

{{/* The Secret with the certificate of the demo's client batch-mtls. */}}
{{- define "sso-lab.batchMtlsSecret" -}}
{{- printf "%s-batch-mtls" (include "sso-lab.fullname" .) -}}
{{- end -}}

{{/* The certificate of a service's mTLS port, for its public name and those in the cluster. (dict "root" $ "site" "idp" "component" "idp") */}}
{{- define "sso-lab.serverCertificate" -}}
{{- $names := prepend (include "sso-lab.serviceNames" . | fromJsonArray) (printf "%s.%s" .site .root.Values.domain) -}}
{{- dict "kind" "server-certificate" "from" (include "sso-lab.authority" .root) "names" $names | toJson -}}
{{- end -}}

{{/* The names of all Secrets that the Job reads or writes. */}}
{{- define "sso-lab.secretNames" -}}
{{- $names := list -}}
{{- range (include "sso-lab.secretsSpec" . | fromToml).secrets -}}
{{- $names = append $names .name -}}
{{- range .keys -}}
{{- if contains "/" (default "" .from) -}}{{- $names = append $names (splitList "/" .from | first) -}}{{- end -}}
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
