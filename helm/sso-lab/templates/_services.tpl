{{/*
The architecture, as far as the cluster needs it: who listens where, who calls
whom, who uses the store, which files each has in its state directory. Services,
routes, policies, probes and environment are made from this one table.

ports   by name; the first word of a site's URL is in `sites`, with its port's name.
        Figures have ports of their own (`metrics…`): METRICS_PORT is the first site's,
        the others are as far from it as their own ports are
calls   `<key>.<port>`, each an arrow of the NetworkPolicies
secret  what is mounted from it at /var/lib/sso-lab. A pod whose file is not there
        yet waits in ContainerCreating, for the key and not only for its Secret.
*/}}
{{- define "sso-lab.services" -}}
idp:
  component: idp
  ports: {http: 8081, grpc: 9081, metrics: 9101}
  sites: {idp: http}
  calls: [app1.http, app2.http]
  store: true
  secret:
    name: {{ include "sso-lab.secretName" (dict "root" . "key" "idp") }}
    files: {{ include "sso-lab.idpFiles" . | fromYamlArray | toJson }}
    optional: [idp-records.key.previous, idp-records.upgraded]
app1:
  component: app1-bff
  ports: {http: 8082, metrics: 9102}
  sites: {app1: http}
  calls: [idp.http, api1.http, api2.grpc]
  store: true
  secret:
    name: {{ include "sso-lab.secretName" (dict "root" . "key" "app1") }}
    files: [bff-sealing.key, app1-client-secret]
    optional: [bff-sealing.key.previous]
app2:
  component: app2-bff
  ports: {http: 8083, metrics: 9103}
  sites: {app2: http}
  calls: [idp.http, api1.http, api2.grpc]
  store: true
  secret:
    name: {{ include "sso-lab.secretName" (dict "root" . "key" "app2") }}
    files: [bff-sealing.key, app2-client.pem]
    optional: [bff-sealing.key.previous]
api1:
  component: api-1
  ports: {http: 8084, metrics: 9104}
  sites: {api1: http}
  calls: [idp.http, idp.grpc, api2.http, api2.grpc]
  store: true
  secret:
    name: {{ include "sso-lab.secretName" (dict "root" . "key" "api1") }}
    files: [api-1-client-secret]
api2:
  component: api-2
  ports: {http: 8085, grpc: 9085, metrics: 9105}
  sites: {api2: http}
  calls: [idp.http]
  store: true
{{- if .Values.lab.enabled }}
lab:
  component: lab
  ports: {http: 8080, spa: 8086, evil: 8087, metrics: 9100, metrics-spa: 9106, metrics-evil: 9107}
  sites: {lab: http, spa: spa, evil: evil}
  calls: []
{{- end }}
{{- end -}}

{{/* The ports of `.` but those of its figures. */}}
{{- define "sso-lab.sitePorts" -}}
{{- range $name, $number := . }}
{{- if not (hasPrefix "metrics" $name) }}
{{ $name }}: {{ $number | int }}
{{- end }}
{{- end }}
{{- end -}}

{{/* And those of its figures. */}}
{{- define "sso-lab.metricsPorts" -}}
{{- range $name, $number := . }}
{{- if hasPrefix "metrics" $name }}
{{ $name }}: {{ $number | int }}
{{- end }}
{{- end }}
{{- end -}}

{{/* What a service is set to: its own values over everybody's. (dict "root" $ "key" "idp") */}}
{{- define "sso-lab.settings" -}}
{{- mergeOverwrite (deepCopy .root.Values.defaults) (deepCopy (get .root.Values .key)) | toYaml -}}
{{- end -}}

{{/* (dict "root" $ "key" "idp") */}}
{{- define "sso-lab.secretName" -}}
{{- $components := dict "idp" "idp" "app1" "app1" "app2" "app2" "api1" "api-1" -}}
{{- $given := (get .root.Values .key).existingSecret -}}
{{- default (printf "%s-%s" (include "sso-lab.fullname" .root) (get $components .key)) $given -}}
{{- end -}}

{{/*
The Secret and key with a service's URL of Redis, and the key with its sentinels' password,
where there is one. (dict "root" $ "key" "idp" "service" (dict …))
*/}}
{{- define "sso-lab.redisUrl" -}}
{{- $redis := .root.Values.redis -}}
{{- $own := get $redis.urlSecrets .key -}}
{{- if eq $redis.mode "external" -}}
name: {{ coalesce $own $redis.external.existingSecret | required "redis.external.existingSecret: the Secret with Redis's URL is needed, or one of its own for each service (redis.urlSecrets)" }}
key: {{ $redis.external.urlKey }}
sentinelKey: {{ $redis.external.sentinelPasswordKey | quote }}
{{- else -}}
name: {{ default (printf "%s-redis-%s" (include "sso-lab.fullname" .root) .service.component) $own }}
key: redis-url
{{- end -}}
{{- end -}}

{{/* The Secret with the passwords of the demo's Redis. */}}
{{- define "sso-lab.redisSecret" -}}
{{- default (printf "%s-redis" (include "sso-lab.fullname" .)) .Values.redis.existingSecret -}}
{{- end -}}

{{/* What the IdP reads from its state directory. */}}
{{- define "sso-lab.idpFiles" -}}
- idp-es256.pem
- idp-rs256.pem
- idp-eddsa.pem
- idp-refresh.key
- idp-records.key
- operator.key
- app2-client.jwks.json
{{- range include "sso-lab.clientsWithSecret" . | fromYamlArray }}
- {{ include "sso-lab.clientSecretFile" . }}
{{- end }}
{{- end -}}

{{- define "sso-lab.clientSecretFile" -}}
{{ replace "_" "-" . }}-client-secret
{{- end -}}
