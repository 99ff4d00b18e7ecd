{{/*
The IdP's configuration: the built-in configuration (files/idp.toml is a copy, which
`scripts/chart files` checks) without the entries that this deployment must not have,
and with files in place of the demo's secrets. The lists name the entries that stay,
so a new demo client in the built-in configuration does not reach production.

Call it with (dict "root" $). It stores its result in `settings` of that dict: passed
as text, whole numbers would become floats.
*/}}
{{- define "sso-lab.idpSettings" -}}
{{- $values := .root.Values.idp -}}
{{- $built := .root.Files.Get "files/idp.toml" | fromToml -}}
{{- $kept := list "app1" "app2" "api-1" "api-2" -}}
{{- /* The apps' machine identities are there where an app needs its own. */ -}}
{{- $machines := list "app1-machine" "app2-machine" -}}
{{- if include "sso-lab.machines" .root -}}{{- $kept = concat $kept $machines -}}{{- end -}}
{{- /* So are their clients with a certificate. */ -}}
{{- $byMtls := list "app1-mtls" "app2-mtls" -}}
{{- if include "sso-lab.appsByMtls" .root -}}{{- $kept = concat $kept $byMtls -}}{{- end -}}
{{- $named := .root.Values.bff.jwtBearerUsers -}}
{{- $clients := list -}}
{{- range $client := $built.clients -}}
{{- if or (and $values.demoClients (not (has $client.client_id (concat $machines $byMtls)))) (has $client.client_id $kept) -}}
{{- if and (has $client.client_id $machines) (or $named (not $values.users.demo)) -}}
{{- $client = set $client "jwt_bearer_users" $named -}}
{{- end -}}
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
{{- $resources := list -}}
{{- range $resource := $built.resources -}}
{{- range $key := list "api1" "api2" -}}
{{- $audience := printf "https://%s" (replace "api" "api-" $key) -}}
{{- if and (eq $resource.audience $audience) (eq (get $.root.Values $key).tokens "opaque") -}}
{{- $resource = set $resource "access_token_format" "opaque" -}}
{{- end -}}
{{- end -}}
{{- $resources = append $resources $resource -}}
{{- end -}}
{{- $lifetimes := merge (dict) $values.lifetimes $built.lifetimes -}}
{{- $settings := merge (dict "clients" $known "resources" $resources "lifetimes" $lifetimes) (omit $built "users" "clients" "resources" "lifetimes") -}}
{{- if or $values.users.demo $values.users.existingSecret -}}
{{- $settings = set $settings "users_file" "/var/lib/sso-lab/users.toml" -}}
{{- end -}}
{{- $_ := set . "settings" $settings -}}
{{- end -}}

{{/* The ids of the clients that authenticate by a secret. */}}
{{- define "sso-lab.clientsWithSecret" -}}
{{- $call := dict "root" . -}}
{{- include "sso-lab.idpSettings" $call -}}
{{- $ids := list -}}
{{- $files := list -}}
{{- range $call.settings.clients -}}
{{- if hasKey . "secret_file" -}}
{{- if has .secret_file $files -}}
{{- fail (printf "idp.clients: the secret of %s has the same file name as another client's secret; choose another client_id" .client_id) -}}
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

{{/* Not empty if there are users, the demo's or your own. */}}
{{- define "sso-lab.hasUsers" -}}
{{- if or .Values.idp.users.demo .Values.idp.users.existingSecret -}}true{{- end -}}
{{- end -}}

{{/* The Secret with the users. */}}
{{- define "sso-lab.usersSecret" -}}
{{- default (printf "%s-demo-users" (include "sso-lab.fullname" .)) .Values.idp.users.existingSecret -}}
{{- end -}}

{{/* The file with the demo's users; empty without demo users. */}}
{{- define "sso-lab.demoUsers" -}}
{{- if and .Values.idp.users.demo (not .Values.idp.users.existingSecret) -}}
{{- if not (or .Values.demoCredentials (regexMatch "(^|\\.)localhost$" .Values.domain)) -}}
{{- fail (printf "demoCredentials: at %s everybody could sign in with the demo's public passwords. Set users of your own (idp.users), or set demoCredentials to true" .Values.domain) -}}
{{- end -}}
{{- $built := .Files.Get "files/idp.toml" | fromToml -}}
{{- dict "users" $built.users | toToml -}}
{{- end -}}
{{- end -}}
