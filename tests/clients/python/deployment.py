"""The running provider and the clients that it knows, from the environment that
scripts/clients sets."""

import json
import os


def _setting(name):
    value = os.environ.get(name)
    if not value:
        raise SystemExit(f"{name} is not set: run scripts/clients")
    return value


ISSUER = _setting("STRICT_ISSUER")
API1_URL = _setting("STRICT_API1_URL")
ALICE = {"username": "alice", "password": "wonderland"}

API1 = "https://api-1"
API2 = "https://api-2"
API1_READ = "https://api-1/read"
API2_READ = "https://api-2/read"
REDIRECT_URI = "https://strict.example/callback"
SIGNED_OUT_URI = "https://strict.example/signed-out"
SCOPE = f"openid profile email offline_access {API1_READ} {API2_READ}"
PUBLIC_SCOPE = f"openid offline_access {API1_READ}"


def client_key():
    """The private key of `strict-key`, as a JWK."""
    with open(_setting("STRICT_KEY_FILE"), encoding="utf-8") as file:
        return json.load(file)
