{{/* The files of the demo's Redis. They contain no password: Redis reads the passwords from standard input. */}}
{{- define "sso-lab.redisConfig" -}}
redis.conf: |
  port 6379
  bind * -::*
  dir /data
  # Synced to disk within a second; rewritten as it grows.
  appendonly yes
  appendfsync everysec
  save ""
  maxmemory {{ .Values.redis.maxMemory }}
  # A full Redis refuses writes. Eviction could sign a user out, or allow a code to be
  # used twice.
  maxmemory-policy noeviction
  # Clients must authenticate. Redis needs the rights of this user to read its own file:
  # without them it would skip transactions and scripts with several writes.
  {{ include "sso-lab.redisRule" (dict "root" . "user" "default") }}
start.sh: |
  # Passes the configuration, with a user for each service, to Redis by standard input. The
  # passwords come from files and are neither in the environment nor on a command line.
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
  # While Redis loads its file, it answers PING with an error.
  set -eu
  answer="$(printf 'AUTH sso-lab-idp %s\nPING\n' "$(cat /run/secrets/redis/idp-password)" | redis-cli)"
  case "$answer" in *PONG*) exit 0 ;; *) exit 1 ;; esac
{{- end -}}

{{/* The components that have a Redis user. */}}
{{- define "sso-lab.redisUsers" -}}
{{- $users := list -}}
{{- range include "sso-lab.services" . | fromYaml -}}
{{- if .store -}}{{- $users = append $users .component -}}{{- end -}}
{{- end -}}
{{- $users | sortAlpha | toYaml -}}
{{- end -}}

{{/* A user's line from files/redis-users.acl, which is a copy of the lines in docs/redis.md. (dict "root" $ "user" "sso-lab-idp") */}}
{{- define "sso-lab.redisRule" -}}
{{- $rule := "" -}}
{{- $begins := printf "user %s " .user -}}
{{- range .root.Files.Lines "files/redis-users.acl" -}}
{{- if hasPrefix $begins . -}}{{- $rule = . -}}{{- end -}}
{{- end -}}
{{- $rule | required (printf "files/redis-users.acl has no user %s" .user) -}}
{{- end -}}
