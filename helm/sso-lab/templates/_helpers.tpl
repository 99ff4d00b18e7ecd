{{/* Names, labels and images, shared by all templates. */}}

{{- define "sso-lab.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The labels of a selector. (dict "root" $ "component" "idp") */}}
{{- define "sso-lab.selectorLabels" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* (dict "root" $ "component" "idp") */}}
{{- define "sso-lab.labels" -}}
{{ include "sso-lab.selectorLabels" . }}
app.kubernetes.io/part-of: sso-lab
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The metadata of every object. (dict "root" $ "component" "idp" "name" "…" "annotations" (dict …)) */}}
{{- define "sso-lab.metadata" -}}
name: {{ .name }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "sso-lab.labels" . | nindent 2 }}
{{- with merge (dict) (default (dict) .annotations) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* (dict "registry" … "repository" … "tag" … "digest" …) */}}
{{- define "sso-lab.reference" -}}
{{- $name := .repository -}}
{{- if .registry -}}{{- $name = printf "%s/%s" .registry .repository -}}{{- end -}}
{{- if .digest -}}
{{- printf "%s@%s" $name .digest -}}
{{- else -}}
{{- printf "%s:%s" $name .tag -}}
{{- end -}}
{{- end -}}

{{/* The image of one of the project's programs, and its pull policy. (dict "root" $ "program" "idp" "image" (dict …)) */}}
{{- define "sso-lab.image" -}}
{{- $common := .root.Values.image -}}
{{- $repository := printf "%s/%s" $common.prefix .program | trimPrefix "/" -}}
image: {{ include "sso-lab.reference" (dict
  "registry" (default $common.registry .image.registry)
  "repository" (default $repository .image.repository)
  "tag" (coalesce .image.tag $common.tag .root.Chart.AppVersion)
  "digest" .image.digest) | quote }}
imagePullPolicy: {{ default $common.pullPolicy .image.pullPolicy }}
{{- end -}}

{{/* The pod fields that the restricted Pod Security Standard requires, and further hardening. (dict "root" $ "user" 65532) */}}
{{- define "sso-lab.podSecurity" -}}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: {{ .user }}
  runAsGroup: {{ .user }}
  fsGroup: {{ .user }}
  seccompProfile:
    type: RuntimeDefault
{{- end -}}

{{- define "sso-lab.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* A site's URL as browsers see it. (dict "root" $ "site" "app1" "port" 8082) */}}
{{- define "sso-lab.publicUrl" -}}
{{- $values := .root.Values -}}
{{- if eq $values.publicScheme "https" -}}
https://{{ .site }}.{{ $values.domain }}
{{- else -}}
{{ include "sso-lab.ownScheme" .root }}://{{ .site }}.{{ $values.domain }}:{{ .port }}
{{- end -}}
{{- end -}}

{{/*
`host:port=host:port` for each site: the public address and the Service's; with `mtls` also
that of its mTLS port. (dict "root" $ "sites" (list "app1" …) "mtls" true)
*/}}
{{- define "sso-lab.connect" -}}
{{- $root := .root -}}
{{- $services := include "sso-lab.services" $root | fromYaml -}}
{{- $pairs := list -}}
{{- $sites := .sites -}}
{{- $withMtls := .mtls -}}
{{- range $key, $service := $services -}}
{{- $component := $service.component -}}
{{- range $site, $port := $service.sites -}}
{{- if has $site $sites -}}
{{- $number := get $service.ports $port | int -}}
{{- $public := ternary 443 $number (eq $root.Values.publicScheme "https") | int -}}
{{- $scheme := ternary "https://" "" $root.Values.tls.enabled -}}
{{- $pairs = append $pairs (printf "%s.%s:%d=%s%s-%s:%d" $site $root.Values.domain $public $scheme (include "sso-lab.fullname" $root) $component $number) -}}
{{- with $withMtls | ternary $service.ports.mtls 0 -}}
{{- $pairs = append $pairs (printf "%s.%s:%d=https://%s-%s:%d" $site $root.Values.domain (. | int) (include "sso-lab.fullname" $root) $component (. | int)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- join "," $pairs -}}
{{- end -}}

{{/* The collector of spans; empty: none. */}}
{{- define "sso-lab.otlpEndpoint" -}}
{{- if .Values.telemetry.otlpEndpoint -}}
{{- .Values.telemetry.otlpEndpoint -}}
{{- else if .Values.jaeger.enabled -}}
http://{{ include "sso-lab.fullname" . }}-jaeger:4317
{{- end -}}
{{- end -}}

{{/* Metadata with the labels by which Prometheus or Grafana selects the object. (dict … "own" (dict …)) */}}
{{- define "sso-lab.monitoringMetadata" -}}
{{- $metadata := include "sso-lab.metadata" . | fromYaml -}}
{{- $_ := set $metadata "labels" (merge (dict) .own $metadata.labels) -}}
{{- toYaml $metadata -}}
{{- end -}}

{{/* The user that signs in at `helm test`; empty: none. */}}
{{- define "sso-lab.checkUser" -}}
{{- if .Values.check.user -}}
{{- .Values.check.user -}}
{{- else if include "sso-lab.demoUsers" . -}}
alice
{{- end -}}
{{- end -}}
