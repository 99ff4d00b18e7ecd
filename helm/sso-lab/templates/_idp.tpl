{{/*
The IdP's configuration: the built-in one (files/idp.toml is a copy of it, and
`scripts/chart files` keeps it so) without what this deployment must not have,
and with files in place of the demo's secrets. Lists of who may stay, not of who
must go: a demo client that is added there does not slip into production.

Called with (dict "root" $), in which it leaves `settings`: as text on the way, its
whole numbers would become floats.
*/}}
{{- define "sso-lab.idpSettings" -}}
{{- $values := .root.Values.idp -}}
{{- $built := .root.Files.Get "files/idp.toml" | fromToml -}}
{{- $kept := list "app1" "app2" "api-1" "api-2" -}}
{{- $clients := list -}}
{{- range $client := $built.clients -}}
{{- if or $values.demoClients (has $client.client_id $kept) -}}
{{- $clients = append $clients $client -}}
{{- end -}}
{{- end -}}
{{- $known := list -}}
{{- range $client := concat $clients $values.clients -}}
{{- range $method := $client.auth -}}
{{- if hasPrefix "client_secret_" $method -}}
{{- $file := include "sso-lab.clientSecretFile" $client.client_id -}}
{{- $client = set (omit $client "secret") "secret_file" (printf "/var/lib/sso-lab/%s" $file) -}}
{{- end -}}
{{- end -}}
{{- if hasKey $client "jwks_file" -}}
{{- $client = set $client "jwks_file" (printf "/var/lib/sso-lab/%s" $client.jwks_file) -}}
{{- end -}}
{{- $known = append $known $client -}}
{{- end -}}
{{- $lifetimes := merge (dict) $values.lifetimes $built.lifetimes -}}
{{- $settings := merge (dict "clients" $known "lifetimes" $lifetimes) (omit $built "users" "clients" "lifetimes") -}}
{{- if or $values.users.demo $values.users.existingSecret -}}
{{- $settings = set $settings "users_file" "/var/lib/sso-lab/users.toml" -}}
{{- end -}}
{{- $_ := set . "settings" $settings -}}
{{- end -}}

{{/* The clients that authenticate by a secret, as a list of ids. */}}
{{- define "sso-lab.clientsWithSecret" -}}
{{- $call := dict "root" . -}}
{{- include "sso-lab.idpSettings" $call -}}
{{- $ids := list -}}
{{- $files := list -}}
{{- range $call.settings.clients -}}
{{- if hasKey . "secret_file" -}}
{{- if has .secret_file $files -}}
{{- fail (printf "idp.clients: %s would share its secret with another client: their files have one name" .client_id) -}}
{{- end -}}
{{- $files = append $files .secret_file -}}
{{- $ids = append $ids .client_id -}}
{{- end -}}
{{- end -}}
{{- toYaml $ids -}}
{{- end -}}

{{- define "sso-lab.idpToml" -}}
{{- $call := dict "root" . -}}
{{- include "sso-lab.idpSettings" $call -}}
{{- toToml $call.settings -}}
{{- end -}}

{{/* Whether anybody can sign in at all: users of the demo's, or yours. */}}
{{- define "sso-lab.hasUsers" -}}
{{- if or .Values.idp.users.demo .Values.idp.users.existingSecret -}}true{{- end -}}
{{- end -}}

{{/* The Secret with the users. */}}
{{- define "sso-lab.usersSecret" -}}
{{- default (printf "%s-demo-users" (include "sso-lab.fullname" .)) .Values.idp.users.existingSecret -}}
{{- end -}}

{{/* The demo's users as a file of their own; empty where there are none. */}}
{{- define "sso-lab.demoUsers" -}}
{{- if and .Values.idp.users.demo (not .Values.idp.users.existingSecret) -}}
{{- if not (or .Values.demoCredentials (regexMatch "(^|\\.)localhost$" .Values.domain)) -}}
{{- fail (printf "demoCredentials: at %s everybody could sign in as the demo's users; give your own (idp.users), or set demoCredentials to true" .Values.domain) -}}
{{- end -}}
{{- $built := .Files.Get "files/idp.toml" | fromToml -}}
{{- dict "users" $built.users | toToml -}}
{{- end -}}
{{- end -}}
