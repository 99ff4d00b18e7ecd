# Shared by kind-up and kind-down; source it after lib.sh.

CLUSTER=sso-lab
# Each call names the context, so your current context stays unchanged.
CONTEXT="kind-$CLUSTER"
NAMESPACE=sso-lab
RELEASE=sso-lab

# Minimum versions. docker: BuildKit's mounts. kind: nodes with Kubernetes 1.31.
# kubectl: one version behind these nodes. helm: the chart's minimum.
declare -A WANTED=([docker]=20.10 [kind]=0.24 [kubectl]=1.30 [helm]=3.17)

version_of() {
    case "$1" in
    docker) docker --version ;;
    kind) kind version ;;
    kubectl) kubectl version --client ;;
    helm) helm version --template '{{.Version}}' ;;
    esac 2>/dev/null | grep -oE '[0-9]+\.[0-9]+(\.[0-9]+)?' | head -n 1
}

# Reports every tool that is missing or too old, not only the first.
want_kind_tools() {
    local tool found wrong=()
    for tool in "$@"; do
        if ! have "$tool"; then
            wrong+=("$tool is missing (${WANTED[$tool]} or newer)")
            continue
        fi
        found="$(version_of "$tool")" || found=''
        if [ "$(printf '%s\n' "${WANTED[$tool]}" "$found" | sort -V | head -n 1)" != "${WANTED[$tool]}" ]; then
            wrong+=("$tool ${found:-(unknown version)} is too old (${WANTED[$tool]} or newer)")
        fi
    done
    if [ "${#wrong[@]}" -gt 0 ]; then
        printf '%s: %s\n' "$(basename "$0")" "${wrong[0]}" >&2
        printf '%s\n' "${wrong[@]:1}" | sed '/./s/^/         /' >&2
        exit 2
    fi
}

has_cluster() { kind get clusters 2>/dev/null | grep -qx "$CLUSTER"; }
answers() { kubectl --context "$CONTEXT" get --raw /readyz >/dev/null 2>&1; }

# Whether the chart has deployed Jaeger; the values can disable it.
has_jaeger() {
    [ -n "$(kubectl --context "$CONTEXT" --namespace "$NAMESPACE" get service "$RELEASE-jaeger" --ignore-not-found --output name)" ]
}

INOTIFY=/proc/sys/fs/inotify
# The limits that kind requires, if the nodes use this machine's kernel (not with Docker
# Desktop). With lower limits pods may fail with "too many open files".
check_inotify() {
    local name wanted found low=()
    for name in max_user_watches:524288 max_user_instances:512; do
        wanted="${name#*:}" name="${name%:*}"
        if [ -r "$INOTIFY/$name" ]; then
            read -r found <"$INOTIFY/$name"
            if [ "$found" -lt "$wanted" ]; then low+=("fs.inotify.$name=$wanted"); fi
        fi
    done
    if [ "${#low[@]}" -gt 0 ]; then
        say "this machine's inotify limits are below those that kind requires; pods may fail with \"too many open files\". To raise them:"
        say "    sudo sysctl ${low[*]}"
    fi
}

# Loads a local image into the cluster. Of a multi-platform image only one platform may
# be present here, but kind would ask for all of them, so this saves a single platform.
load_image() {
    local archive save=(docker save) loaded=0
    archive="$(mktemp)"
    if docker save --help | grep -q -- --platform; then
        save+=(--platform "$(docker version --format '{{.Server.Os}}/{{.Server.Arch}}')")
    fi
    if ! "${save[@]}" --output "$archive" "$1"; then
        rm -f "$archive"
        refuse "$1 is missing; run docker pull $1"
    fi
    kind load image-archive --name "$CLUSTER" "$archive" || loaded=$?
    rm -f "$archive"
    return "$loaded"
}
