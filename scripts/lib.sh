# Shared by the scripts; source it with `set -euo pipefail` set. It answers --help for them.

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# Tools that are built once and kept between runs, outside the source tree.
TOOLS="${XDG_CACHE_HOME:-$HOME/.cache}/sso-lab/tools"
PATH="$TOOLS/bin:$PATH"

heading() { printf '\n== %s\n' "$*"; }
say() { printf '   %s\n' "$*"; }
# Ends with exit code 2: the user must fix something first.
refuse() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 2
}

# Prints the comment at the head of the script that sources this file.
usage() { sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0"; }
case "${1:-}" in -h | --help) usage && exit 0 ;; esac

have() { command -v "$1" >/dev/null 2>&1; }

# Runs a command as root.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif have sudo; then
        sudo "$@"
    else
        refuse "run this as root: $*"
    fi
}

# Installs packages of the distribution.
install_packages() {
    have apt-get || refuse "there is no apt-get; install these packages first: $*"
    say "installing $*"
    as_root apt-get update -qq
    # RUNLEVEL=1 keeps the packages' services from starting.
    as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
        apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# Prints the path of the first of these programs that is not a snap. A snap cannot read
# the profile folders that tests make, and Ubuntu's chromium-browser calls the snap.
program_of() {
    local name path
    for name in "$@"; do
        path="$(command -v "$name" 2>/dev/null)" || continue
        case "$(readlink -f "$path")" in
        */snap*) continue ;;
        esac
        if head -c 4096 "$path" | grep -aq '/snap/bin'; then continue; fi
        printf '%s\n' "$path"
        return 0
    done
    return 1
}

# Sets CHROME and CHROMEDRIVER for testkit; returns 1 if one is missing.
find_browser() {
    CHROME="${CHROME:-$(program_of chromium google-chrome google-chrome-stable)}" || return 1
    CHROMEDRIVER="${CHROMEDRIVER:-$(program_of chromedriver)}" || return 1
    export CHROME CHROMEDRIVER
}

# The images' names, from the Dockerfile.
image_names() { sed -n 's/^FROM runtime AS //p' "$ROOT/Dockerfile"; }

# The compiler's flags for the images' binaries, from the Dockerfile.
image_rustflags() { sed -n 's/^ *RUSTFLAGS="\(.*\)" \\$/\1/p' "$ROOT/Dockerfile"; }

# Prefix of the images' names, equal to the chart's image.registry and image.prefix.
IMAGES_AT=ghcr.io/sso-lab

workspace_version() { sed -n '/^\[workspace\.package\]/,/^$/s/^version = "\(.*\)"$/\1/p' "$ROOT/Cargo.toml"; }
# The current commit, with `-dirty` if the tree has changes.
commit_here() {
    local dirty=''
    git -C "$ROOT" rev-parse HEAD >/dev/null 2>&1 || { echo unknown && return; }
    [ -z "$(git -C "$ROOT" status --porcelain)" ] || dirty=-dirty
    echo "$(git -C "$ROOT" rev-parse HEAD)$dirty"
}

# Whether a program listens on a port of loopback, at either address, because browsers
# resolve *.localhost to both. Uses bash only: a fresh machine may have no curl.
listens() {
    local address
    for address in 127.0.0.1 ::1; do
        if (exec 3<>"/dev/tcp/$address/$1") 2>/dev/null; then return 0; fi
    done
    return 1
}
ready() {
    local status=''
    {
        exec 3<>"/dev/tcp/127.0.0.1/$1" || return 1
        printf 'GET /readyz HTTP/1.0\r\nHost: localhost\r\n\r\n' >&3
        read -r -t 2 _ status _ <&3 || true
        exec 3>&-
    } 2>/dev/null
    [ "$status" = 200 ]
}

# The same over TLS, by a certificate of the CA in the file $2.
ready_tls() { curl -sf -m 2 -o /dev/null --cacert "$2" "https://localhost:$1/readyz"; }

# Prints the sites' addresses, with the port offset and the scheme, and the demo users.
print_sites() {
    at() { printf '%s://%s.localhost:%s' "$scheme" "$1" "$(($2 + offset))"; }
    local offset="$1" scheme="${2:-http}"
    cat <<TABLE

   lab    $(at lab 8080)     start here
   idp    $(at idp 8081)
   app1   $(at app1 8082)
   app2   $(at app2 8083)
   api-1  $(at api1 8084)
   api-2  $(at api2 8085)
   spa    $(at spa 8086)     the single-page app
   evil   $(at evil 8087)    the attacker's site
   users  alice / wonderland, bob / builder
TABLE
}
