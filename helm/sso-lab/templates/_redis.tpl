{{/* The files of the demo's Redis. No password is in them: they come in by standard input. */}}
{{- define "sso-lab.redisConfig" -}}
redis.conf: |
  port 6379
  bind * -::*
  dir /data
  # On the disk within a second; rewritten as it grows.
  appendonly yes
  appendfsync everysec
  save ""
  maxmemory {{ .Values.redis.maxMemory }}
  # A write that finds no room is refused. Evicting would sign somebody out, or let a
  # code be used twice.
  maxmemory-policy noeviction
  # Nobody without a password. The rights are for reading its own file: without them it
  # would leave out whatever was written together.
  {{ include "sso-lab.redisRule" (dict "root" . "user" "default") }}
start.sh: |
  # The configuration, and a user for each service, whose password is in a file: by standard
  # input, so that it is neither in the environment nor on a command line.
  set -eu
  password() { cat "/run/secrets/redis/$1-password"; }
  for service in {{ include "sso-lab.redisUsers" . | fromYamlArray | join " " }}; do
    [ -n "$(password "$service")" ] || { echo "no password for $service" >&2; exit 1; }
  done
  exec redis-server - <<END
  include /etc/redis/redis.conf
  {{- range $user := include "sso-lab.redisUsers" . | fromYamlArray }}
  {{ include "sso-lab.redisRule" (dict "root" $ "user" (printf "sso-lab-%s" $user)) | replace ">PASSWORD" (printf ">$(password %s)" $user) }}
  {{- end }}
  END
answers.sh: |
  # Loading its file, it answers too, but not PONG.
  set -eu
  answer="$(printf 'AUTH sso-lab-idp %s\nPING\n' "$(cat /run/secrets/redis/idp-password)" | redis-cli)"
  case "$answer" in *PONG*) exit 0 ;; *) exit 1 ;; esac
{{- end -}}

{{/* The services that have a user, by their components. */}}
{{- define "sso-lab.redisUsers" -}}
{{- $users := list -}}
{{- range include "sso-lab.services" . | fromYaml -}}
{{- if .store -}}{{- $users = append $users .component -}}{{- end -}}
{{- end -}}
{{- $users | sortAlpha | toYaml -}}
{{- end -}}

{{/* A user's line as docs/redis.md has it, of which files/redis-users.acl is a copy. (dict "root" $ "user" "sso-lab-idp") */}}
{{- define "sso-lab.redisRule" -}}
{{- $rule := "" -}}
{{- $begins := printf "user %s " .user -}}
{{- range .root.Files.Lines "files/redis-users.acl" -}}
{{- if hasPrefix $begins . -}}{{- $rule = . -}}{{- end -}}
{{- end -}}
{{- $rule | required (printf "files/redis-users.acl has no user %s" .user) -}}
{{- end -}}
