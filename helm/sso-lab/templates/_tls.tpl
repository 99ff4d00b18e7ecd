{{/*
TLS of the pods themselves (`tls.enabled`): by certificates that the Job issues, or by a
certificate of your own.
*/}}

{{/* The scheme at the Services: `http` or `https`. */}}
{{- define "sso-lab.ownScheme" -}}{{- ternary "https" "http" .Values.tls.enabled -}}{{- end -}}

{{/* Not empty: the Job issues the certificates. */}}
{{- define "sso-lab.issuesTls" -}}
{{- if and .Values.tls.enabled (not .Values.tls.existingSecret) -}}yes{{- end -}}
{{- end -}}

{{/* The Secret of a service with its certificate, `tls.pem`, and the certificate of the
authority, `ca.pem`. (dict "root" $ "component" "idp") */}}
{{- define "sso-lab.tlsSecret" -}}
{{- printf "%s-%s-tls" (include "sso-lab.fullname" .root) .component -}}
{{- end -}}

{{/* A Secret whose `ca.pem` all connections to the Services may trust; empty: there is none. */}}
{{- define "sso-lab.labCa" -}}
{{- if include "sso-lab.issuesTls" . -}}
{{- include "sso-lab.tlsSecret" (dict "root" . "component" "idp") -}}
{{- end -}}
{{- end -}}

{{/* A service's certificate for the Job, as JSON. It names the sites, the Service, the
name of all pods, and a name that all services share, for Prometheus. (dict "root" $ "service" (dict …)) */}}
{{- define "sso-lab.tlsCertificate" -}}
{{- $domain := .root.Values.domain -}}
{{- $names := list -}}
{{- range $site, $port := .service.sites -}}{{- $names = append $names (printf "%s.%s" $site $domain) -}}{{- end -}}
{{- $names = concat $names (include "sso-lab.serviceNames" (dict "root" .root "component" .service.component) | fromJsonArray) -}}
{{- with include "sso-lab.podsName" (dict "root" .root "component" .service.component) -}}
{{- $names = append $names . -}}
{{- end -}}
{{- $names = append $names (include "sso-lab.fullname" .root) | uniq -}}
{{- dict "kind" "server-certificate" "from" (include "sso-lab.authority" .root) "names" $names | toJson -}}
{{- end -}}

{{/* Environment. */}}
{{- define "sso-lab.tlsEnvironment" -}}
{{- if .Values.tls.enabled }}
- {name: TLS, value: "1"}
{{- if .Values.tls.existingSecret }}
- {name: TLS_CERT_FILE, value: /etc/sso-lab/tls/tls.crt}
- {name: TLS_KEY_FILE, value: /etc/sso-lab/tls/tls.key}
{{- else }}
# One file with certificate and key. The authority's certificate is beside it, as ca.pem.
- {name: TLS_CERT_FILE, value: /var/lib/sso-lab/tls.pem}
- {name: TLS_KEY_FILE, value: /var/lib/sso-lab/tls.pem}
{{- end }}
{{- end }}
{{- end -}}

{{/* The scheme of a probe. */}}
{{- define "sso-lab.probeScheme" -}}
{{- if .Values.tls.enabled }}, scheme: HTTPS{{ end -}}
{{- end -}}
