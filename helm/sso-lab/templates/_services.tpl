{{/*
The table of all services: their ports, the services that they call, whether they use
the store, and the files of their state directories. Services, routes, network
policies, probes and the environment are made from this table.

ports   by name. `sites` maps the first label of a site's host name to a port's name.
        /metrics has ports of its own (`metrics…`): METRICS_PORT is the first site's; the
        offsets of the others equal the offsets between the sites' ports
calls   `<key>.<port>`, each an allowed connection in the NetworkPolicies
secret  the files mounted from the Secret at /var/lib/sso-lab. A pod stays in
        ContainerCreating until each key exists in the Secret.
*/}}
{{- define "sso-lab.services" -}}
{{- $isLive := include "sso-lab.liveDiagram" . -}}
{{- $lab := ternary ", lab.http" "" (not (empty $isLive)) -}}
idp:
  component: idp
  ports: {http: 8081, grpc: 9081, {{ if .Values.mtls.enabled }}mtls: 8481, {{ end }}metrics: 9101}
  sites: {idp: http}
  calls: [app1.http, app2.http{{ $lab }}]
  store: true
  secret:
    name: {{ include "sso-lab.secretName" (dict "root" . "key" "idp") }}
    files: {{ include "sso-lab.idpFiles" . | fromYamlArray | toJson }}
    optional: [idp-records.key.previous, idp-records.upgraded{{ if .Values.idp.demoClients }}, batch-jwt-client.jwks.json{{ end }}]
app1:
  component: app1-bff
  ports: {http: 8082, metrics: 9102}
  sites: {app1: http}
  calls: [idp.http, api1.http, api2.grpc{{ if include "sso-lab.appsByMtls" . }}, idp.mtls, api1.mtls{{ end }}{{ $lab }}{{ if $isLive }}, lab.evil{{ end }}]
  store: true
  secret:
    name: {{ include "sso-lab.secretName" (dict "root" . "key" "app1") }}
    files: [bff-sealing.key, app1-client-secret{{ if .Values.bff.dpop }}, bff-dpop.key{{ end }}{{ if include "sso-lab.machines" . }}, app1-machine-client.pem{{ end }}{{ if include "sso-lab.appsByMtls" . }}, app1-mtls.pem, mtls-ca.pem{{ end }}]
    optional: [bff-sealing.key.previous]
app2:
  component: app2-bff
  ports: {http: 8083, metrics: 9103}
  sites: {app2: http}
  calls: [idp.http, api1.http, api2.grpc{{ if include "sso-lab.appsByMtls" . }}, idp.mtls, api1.mtls{{ end }}{{ $lab }}{{ if $isLive }}, lab.evil{{ end }}]
  store: true
  secret:
    name: {{ include "sso-lab.secretName" (dict "root" . "key" "app2") }}
    files: [bff-sealing.key, app2-client.pem{{ if .Values.bff.dpop }}, bff-dpop.key{{ end }}{{ if include "sso-lab.machines" . }}, app2-machine-client.pem{{ end }}{{ if include "sso-lab.appsByMtls" . }}, app2-mtls.pem, mtls-ca.pem{{ end }}]
    optional: [bff-sealing.key.previous]
api1:
  component: api-1
  ports: {http: 8084, {{ if .Values.mtls.enabled }}mtls: 8484, {{ end }}metrics: 9104}
  sites: {api1: http}
  calls: [idp.http, idp.grpc, api2.http, api2.grpc{{ $lab }}]
  store: true
  secret:
    name: {{ include "sso-lab.secretName" (dict "root" . "key" "api1") }}
    files: [api-1-client-secret{{ if .Values.mtls.enabled }}, mtls.pem{{ end }}{{ if include "sso-lab.identityCallers" . }}, client-ca.pem{{ end }}{{ if .Values.dpop.apiNonces }}, api-1-dpop-nonce.key{{ end }}]
api2:
  component: api-2
  ports: {http: 8085, grpc: 9085, metrics: 9105}
  sites: {api2: http}
  calls: [idp.http{{ $lab }}]
  store: true
{{- with include "sso-lab.api2Files" . | fromYamlArray }}
  secret:
    name: {{ include "sso-lab.secretName" (dict "root" $ "key" "api2") }}
    files: {{ toJson . }}
{{- end }}
{{- if .Values.lab.enabled }}
lab:
  component: lab
  ports: {http: 8080, spa: 8086, evil: 8087, metrics: 9100, metrics-spa: 9106, metrics-evil: 9107}
  sites: {lab: http, spa: spa, evil: evil}
  # It switches failures, inspects, and its programs attack.
  calls: [{{ if $isLive }}idp.http, app1.http, app2.http, api1.http, api2.http, lab.evil{{ end }}]
{{- end }}
{{- end -}}

{{/* The sites of all services, sorted. */}}
{{- define "sso-lab.sites" -}}
{{- $sites := list -}}
{{- range include "sso-lab.services" . | fromYaml -}}
{{- $sites = concat $sites (keys .sites) -}}
{{- end -}}
{{- $sites | sortAlpha | toJson -}}
{{- end -}}

{{/*
Not empty if the lab has the live diagram. Each service then shares a secret with the lab and
sends it the spans of journeys.
*/}}
{{- define "sso-lab.liveDiagram" -}}
{{- with .Values.lab.liveDiagram -}}
{{- if .enabled -}}
{{- if not $.Values.lab.enabled -}}
{{- fail "lab.liveDiagram.enabled needs lab.enabled" -}}
{{- end -}}
{{- $settings := include "sso-lab.settings" (dict "root" $ "key" "lab") | fromYaml -}}
{{- if or $settings.autoscaling.enabled (gt ($settings.replicas | int) 1) -}}
{{- fail "lab.liveDiagram.enabled needs one pod of the lab, because it keeps journeys in its memory: set lab.replicas to 1 and lab.autoscaling.enabled to false" -}}
{{- end -}}
true
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The Secret that the lab shares with all services. */}}
{{- define "sso-lab.labSecret" -}}
{{- default (printf "%s-lab" (include "sso-lab.fullname" .)) .Values.lab.liveDiagram.existingSecret -}}
{{- end -}}

{{/*
The name that stands for every pod of a service, where the lab controls it; empty: it has none.
(dict "root" $ "component" "idp")
*/}}
{{- define "sso-lab.podsName" -}}
{{- if and (include "sso-lab.liveDiagram" .root) (ne .component "lab") -}}
{{- printf "%s-%s-pods" (include "sso-lab.fullname" .root) .component -}}
{{- end -}}
{{- end -}}

{{/* Where the lab reaches every pod of each service (LAB_CONTROLS). */}}
{{- define "sso-lab.labControls" -}}
{{- $root := . -}}
{{- $controls := list -}}
{{- range include "sso-lab.services" . | fromYaml -}}
{{- $at := include "sso-lab.podsName" (dict "root" $root "component" .component) -}}
{{- if $at -}}
{{- $controls = append $controls (printf "%s=%s://%s:%d" .component (include "sso-lab.ownScheme" $root) $at (.ports.http | int)) -}}
{{- end -}}
{{- end -}}
{{- $controls | join "," -}}
{{- end -}}

{{/* What this deployment offers to the scenarios (LAB_OFFERS). */}}
{{- define "sso-lab.labOffers" -}}
{{- $offers := list -}}
{{- if .Values.bff.sessionModeChoice -}}
{{- $offers = append $offers "choice" -}}
{{- if include "sso-lab.appsByMtls" . -}}{{- $offers = append $offers "certificate" -}}{{- end -}}
{{- end -}}
{{- if eq .Values.api2.tokens "opaque" -}}{{- $offers = append $offers "opaque-tokens" -}}{{- end -}}
{{- $offers | join "," -}}
{{- end -}}

{{/* The names under which callers in the cluster reach a service. (dict "root" $ "component" "idp") */}}
{{- define "sso-lab.serviceNames" -}}
{{- $name := printf "%s-%s" (include "sso-lab.fullname" .root) .component -}}
{{- list $name (printf "%s.%s" $name .root.Release.Namespace) (printf "%s.%s.svc" $name .root.Release.Namespace) | toJson -}}
{{- end -}}

{{/* The files that API-2 needs; empty: it needs none. */}}
{{- define "sso-lab.api2Files" -}}
{{- $files := list -}}
{{- if ne .Values.api2.tokens "jwt" -}}{{- $files = append $files "api-2-client-secret" -}}{{- end -}}
{{- if .Values.dpop.apiNonces -}}{{- $files = append $files "api-2-dpop-nonce.key" -}}{{- end -}}
{{- $files | toYaml -}}
{{- end -}}

{{/* The ports of `.` without the metrics ports. */}}
{{- define "sso-lab.sitePorts" -}}
{{- range $name, $number := . }}
{{- if not (hasPrefix "metrics" $name) }}
{{ $name }}: {{ $number | int }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The metrics ports of `.`. */}}
{{- define "sso-lab.metricsPorts" -}}
{{- range $name, $number := . }}
{{- if hasPrefix "metrics" $name }}
{{ $name }}: {{ $number | int }}
{{- end }}
{{- end }}
{{- end -}}

{{/* A service's settings: its own values merged over `defaults`. (dict "root" $ "key" "idp") */}}
{{- define "sso-lab.settings" -}}
{{- mergeOverwrite (deepCopy .root.Values.defaults) (deepCopy (get .root.Values .key)) | toYaml -}}
{{- end -}}

{{/* (dict "root" $ "key" "idp") */}}
{{- define "sso-lab.secretName" -}}
{{- $components := dict "idp" "idp" "app1" "app1" "app2" "app2" "api1" "api-1" "api2" "api-2" -}}
{{- $given := (get .root.Values .key).existingSecret -}}
{{- default (printf "%s-%s" (include "sso-lab.fullname" .root) (get $components .key)) $given -}}
{{- end -}}

{{/*
The Secret and key with a service's Redis URL, and the key with the sentinels' password,
if there is one. (dict "root" $ "key" "idp" "service" (dict …))
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

{{/* The files of the IdP's state directory. */}}
{{- define "sso-lab.idpFiles" -}}
- idp-es256.pem
- idp-rs256.pem
- idp-eddsa.pem
- idp-refresh.key
- idp-records.key
- operator.key
- app2-client.jwks.json
{{- if include "sso-lab.machines" . }}
- app1-machine-client.jwks.json
- app2-machine-client.jwks.json
{{- end }}
{{- if .Values.mtls.enabled }}
- mtls.pem
- client-ca.pem
{{- end }}
{{- range include "sso-lab.clientsWithSecret" . | fromYamlArray }}
- {{ include "sso-lab.clientSecretFile" . }}
{{- end }}
{{- end -}}

{{/*
Not empty if an app needs its machine identity: for a method that is set, or that a login
may choose.
*/}}
{{- define "sso-lab.machines" -}}
{{- $need := list "client_credentials" "jwt_bearer" -}}
{{- with .Values.bff -}}
{{- if or .sessionModeChoice (has .api1Credential $need) (has .api2Credential $need) -}}true{{- end -}}
{{- end -}}
{{- end -}}

{{/*
Not empty if the apps have a certificate: for a method that is set, or that a login may
choose.
*/}}
{{- define "sso-lab.appsByMtls" -}}
{{- $isSet := has .Values.bff.api1Credential (list "mtls" "identity_header") -}}
{{- if and $isSet (not .Values.mtls.enabled) -}}
{{- fail (printf "bff.api1Credential: %s needs mtls.enabled" .Values.bff.api1Credential) -}}
{{- end -}}
{{- if and .Values.mtls.enabled (or $isSet .Values.bff.sessionModeChoice) -}}true{{- end -}}
{{- end -}}

{{/*
The names in certificates whose owners may state to API-1 who the user is, separated by
commas: those of values.yaml, and those of the apps where a call or a login may need it.
*/}}
{{- define "sso-lab.identityCallers" -}}
{{- $names := .Values.api1.identityCallers -}}
{{- if and $names (not .Values.mtls.enabled) -}}
{{- fail "api1.identityCallers needs mtls.enabled" -}}
{{- end -}}
{{- $isByApps := or .Values.bff.sessionModeChoice (eq .Values.bff.api1Credential "identity_header") -}}
{{- if and $isByApps (include "sso-lab.appsByMtls" .) -}}
{{- range list "app1" "app2" -}}
{{- $names = append $names (include "sso-lab.spiffeId" .) -}}
{{- end -}}
{{- end -}}
{{- $names | uniq | join "," -}}
{{- end -}}

{{/* The name in the certificate of an app, as `bff_kit::spiffe_id` has it. */}}
{{- define "sso-lab.spiffeId" -}}
{{- printf "spiffe://sso-lab/%s" . -}}
{{- end -}}

{{- define "sso-lab.clientSecretFile" -}}
{{ replace "_" "-" . }}-client-secret
{{- end -}}
