{{/* The files of the demo's Redis. The password is in none of them: it comes in by standard input. */}}
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
  # Nobody without a password.
  user default off
start.sh: |
  # The configuration, and the user whose password is in a file: by standard input, so
  # that it is neither in the environment nor on a command line.
  set -eu
  password="$(cat /run/secrets/redis/redis-password)"
  exec redis-server - <<END
  include /etc/redis/redis.conf
  user sso-lab on >$password {{ include "sso-lab.redisRights" . }}
  END
answers.sh: |
  # Loading its file, it answers too, but not PONG.
  set -eu
  answer="$(printf 'AUTH sso-lab %s\nPING\n' "$(cat /run/secrets/redis/redis-password)" | redis-cli)"
  case "$answer" in *PONG*) exit 0 ;; *) exit 1 ;; esac
{{- end -}}

{{/* What the services' user may do: as docs/redis.md says, which `scripts/chart files` holds this against. */}}
{{- define "sso-lab.redisRights" -}}
resetkeys ~sso-lab:* resetchannels -@all +get +set +getdel +del +incr +pexpire +pttl +zadd +zrem +zcard +zscore +zcount +zrangebyscore +evalsha +script|load +client|tracking +ping +select +role +asking +cluster|info +cluster|slots +cluster|nodes
{{- end -}}
