"""authlib against the running provider: its client for OpenID Connect, which checks the
id_token, its sessions for the other grants, and its validators of metadata and of access
tokens. authlib has no client for DPoP (RFC 9449) and none for PAR (RFC 9126)."""

import time
import unittest
from contextlib import contextmanager
from urllib.parse import parse_qs, urlencode, urlsplit

from authlib.integrations.base_client import BaseApp, OAuth2Mixin, OAuthError, OpenIDMixin
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import JWTBearerGrant, PrivateKeyJWT
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from authlib.oauth2.rfc9068.claims import JWTAccessTokenClaims
from authlib.oidc.discovery import OpenIDProviderMetadata
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from browser import Browser
from deployment import (
    API1,
    API1_READ,
    API1_URL,
    API2,
    API2_READ,
    ISSUER,
    PUBLIC_SCOPE,
    REDIRECT_URI,
    SCOPE,
    SIGNED_OUT_URI,
    client_key,
)

DISCOVERY = f"{ISSUER}/.well-known/openid-configuration"
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"


class Client(OAuth2Mixin, OpenIDMixin, BaseApp):
    """authlib's client of an OpenID Provider, without a web framework around it."""

    client_cls = OAuth2Session

    def __init__(self, client_id, client_secret=None, method=None, scope=SCOPE):
        kwargs = {"scope": scope, "code_challenge_method": "S256"}
        if method:
            kwargs["token_endpoint_auth_method"] = method
            kwargs["revocation_endpoint_auth_method"] = method
        super().__init__(
            None,
            "strict",
            client_id=client_id,
            client_secret=client_secret,
            client_kwargs=kwargs,
            server_metadata_url=DISCOVERY,
            client_auth_methods=[key_auth()] if method == "private_key_jwt" else None,
        )

    def _on_update_token(self, token, refresh_token=None, access_token=None):
        """No framework keeps the tokens."""

    def session(self):
        """A session that calls the provider."""
        return self._get_oauth_client(**self.load_server_metadata())

    def endpoint(self, name):
        return self.load_server_metadata()[name]


def key_auth():
    """RFC 7523 §3: the audience is the issuer."""
    return PrivateKeyJWT(ISSUER, headers={"kid": client_key()["kid"]}, alg="ES256")


def basic():
    return Client("strict", "strict-secret")


def by_key():
    return Client("strict-key", ECKey.import_key(client_key()), "private_key_jwt")


class Flow(unittest.TestCase):
    """A flow. A failure names the client, the flow and the rule."""

    @contextmanager
    def rule(self, sentence):
        """One step; if it fails, the provider broke this rule for this client."""
        try:
            yield
        except Exception as error:
            flow = self._testMethodName.removeprefix("test_").replace("_", " ")
            self.fail(f"authlib, {flow}, {sentence}: {type(error).__name__}: {error}")

    def sign_in(self, client, browser=None, push=False):
        """Signs alice in: the tokens and the validated claims of the id_token."""
        start = client.create_authorization_url(REDIRECT_URI)
        url = start["url"]
        if push:
            url = self.pushed(client, url)
        with self.rule("the pages lead back to redirect_uri (RFC 6749 §4.1.2)"):
            answer = (browser or Browser()).walk(url, REDIRECT_URI)
        with self.rule("the answer names the issuer (RFC 9207 §2)"):
            self.assertEqual(parse_qs(urlsplit(answer).query)["iss"], [ISSUER])
        with self.rule("the code is redeemed for tokens (RFC 6749 §4.1.4)"):
            token = client.fetch_access_token(
                REDIRECT_URI,
                authorization_response=answer,
                state=start["state"],
                code_verifier=start["code_verifier"],
            )
        with self.rule("the id_token is right (OIDC Core §3.1.3.7)"):
            user = client.parse_id_token(token, start["nonce"], leeway=0)
        return token, user

    def pushed(self, client, url):
        """authlib has no PAR: its session sends the request that it made."""
        parameters = dict(parse_qs(urlsplit(url).query))
        parameters = {name: values[0] for name, values in parameters.items()}
        with self.rule("the request is pushed (RFC 9126 §2.2)"):
            session = client.session()
            auth = session.client_auth(session.token_endpoint_auth_method)
            answer = session.post(client.endpoint("pushed_authorization_request_endpoint"), data=parameters, auth=auth)
            self.assertEqual(answer.status_code, 201, answer.text)
        query = {"client_id": client.client_id, "request_uri": answer.json()["request_uri"]}
        return f"{client.endpoint('authorization_endpoint')}?{urlencode(query)}"

    def validated(self, client, access_token, audience):
        """What a resource server reads in an access token (RFC 9068 §4)."""
        keys = KeySet.import_key_set(client.fetch_jwk_set())
        decoded = jwt.decode(access_token, keys, algorithms=["ES256"])
        options = {
            "iss": {"essential": True, "value": ISSUER},
            "aud": {"essential": True, "value": audience},
            "exp": {"essential": True},
            "sub": {"essential": True},
            "client_id": {"essential": True},
            "iat": {"essential": True},
            "jti": {"essential": True},
        }
        claims = JWTAccessTokenClaims(decoded.claims, decoded.header, options)
        claims.validate()
        self.assertEqual(decoded.header["typ"], "at+jwt")
        return claims

    def refused(self, code, call, *args, **kwargs):
        with self.assertRaises(OAuthError) as caught:
            call(*args, **kwargs)
        self.assertEqual(caught.exception.error, code)

    def test_discovery(self):
        metadata = basic().load_server_metadata()
        metadata.pop("_loaded_at")
        with self.rule("every member of the metadata is well formed (OIDC Discovery §3)"):
            OpenIDProviderMetadata(metadata).validate()
        with self.rule("every member of the metadata is well formed (RFC 8414 §2)"):
            AuthorizationServerMetadata(metadata).validate()

    def test_code_with_pkce_client_secret_basic(self):
        client = basic()
        token, user = self.sign_in(client)
        with self.rule("the access token is a JWT for the client's first audience (RFC 9068 §4)"):
            claims = self.validated(client, token["access_token"], API1)
            self.assertEqual((claims["sub"], claims["client_id"]), (user["sub"], "strict"))

    def test_code_with_pkce_client_secret_post(self):
        self.sign_in(Client("strict", "strict-secret", "client_secret_post"))

    def test_code_with_pkce_private_key_jwt(self):
        self.sign_in(by_key())

    def test_code_with_pkce_public_client(self):
        self.sign_in(Client("strict-public", None, "none", PUBLIC_SCOPE))

    def test_pushed_authorization_request(self):
        self.sign_in(basic(), push=True)

    def test_userinfo(self):
        client = basic()
        token, user = self.sign_in(client)
        with self.rule("userinfo is about the same subject (OIDC Core §5.3.2)"):
            said = client.userinfo(token=token)
            self.assertEqual((said["sub"], said["email"]), (user["sub"], "alice@example.com"))

    def test_refresh_for_each_audience(self):
        client = basic()
        token, _ = self.sign_in(client)
        session = client.session()
        for resource, scope in [(API2, API2_READ), (API1, API1_READ)]:
            with self.rule(f"a token for {resource} (RFC 6749 §6, RFC 8707 §2.2)"):
                token = session.refresh_token(
                    client.endpoint("token_endpoint"),
                    token["refresh_token"],
                    resource=resource,
                    scope=scope,
                )
                claims = self.validated(client, token["access_token"], resource)
                self.assertEqual(claims["scope"], scope)

    def test_a_call_to_an_api(self):
        client = basic()
        token, user = self.sign_in(client)
        with self.rule("the API takes the token (RFC 6750 §2.1)"):
            answer = client.get(f"{API1_URL}/whoami", token=token)
            self.assertEqual(answer.status_code, 200, answer.text)
            self.assertEqual(answer.json()["sub"], user["sub"])

    def test_device_authorization(self):
        client = Client("tv", None, "none", PUBLIC_SCOPE)
        session = client.session()
        with self.rule("the codes (RFC 8628 §3.2)"):
            auth = session.client_auth("none")
            url = client.endpoint("device_authorization_endpoint")
            answer = session.post(url, data={"scope": PUBLIC_SCOPE}, auth=auth)
            self.assertEqual(answer.status_code, 200, answer.text)
            codes = answer.json()

        def poll():
            return session.fetch_token(
                client.endpoint("token_endpoint"),
                grant_type=DEVICE_CODE,
                device_code=codes["device_code"],
            )

        with self.rule("nobody has answered yet (RFC 8628 §3.5)"):
            self.refused("authorization_pending", poll)
        with self.rule("the user allows it (RFC 8628 §3.3)"):
            page = Browser().walk(codes["verification_uri_complete"])
            self.assertIn("Device connected", page)
        time.sleep(codes["interval"])
        with self.rule("the tokens (RFC 8628 §3.5, RFC 6749 §5.1)"):
            self.validated(client, poll()["access_token"], API1)

    def test_client_credentials(self):
        for client in [basic(), by_key()]:
            with self.rule("a token without a user (RFC 6749 §4.4.3)"):
                session = client.session()
                token = session.fetch_token(
                    client.endpoint("token_endpoint"),
                    grant_type="client_credentials",
                    scope=API1_READ,
                    resource=API1,
                )
                claims = self.validated(client, token["access_token"], API1)
                self.assertEqual(claims["sub"], client.client_id)
                self.assertNotIn("refresh_token", token)

    def test_jwt_bearer(self):
        client = by_key()
        key = client_key()
        assertion = JWTBearerGrant.sign(
            ECKey.import_key(key),
            issuer="strict-key",
            audience=ISSUER,
            subject="alice",
            header={"alg": "ES256", "kid": key["kid"]},
        )
        session = client.session()

        def redeem():
            return session.fetch_token(
                client.endpoint("token_endpoint"),
                grant_type=JWTBearerGrant.GRANT_TYPE,
                assertion=assertion,
                scope=API1_READ,
                resource=API1,
            )

        with self.rule("a token for the user whom the assertion names (RFC 7523 §2.1)"):
            claims = self.validated(client, redeem()["access_token"], API1)
            self.assertNotEqual(claims["sub"], "strict-key")
        with self.rule("an assertion counts once (RFC 7523 §3)"):
            self.refused("invalid_grant", redeem)

    def test_introspection(self):
        token, user = self.sign_in(basic())
        api = Client("api-1", "api-1-secret")
        with self.rule("a resource server is told of a live token (RFC 7662 §2.2)"):
            answer = api.session().introspect_token(api.endpoint("introspection_endpoint"), token["access_token"])
            said = answer.json()
            self.assertEqual((said["active"], said["sub"], said["aud"]), (True, user["sub"], API1))

    def test_revocation(self):
        client = basic()
        token, _ = self.sign_in(client)
        session = client.session()
        with self.rule("revoked (RFC 7009 §2.2)"):
            answer = session.revoke_token(client.endpoint("revocation_endpoint"), token["refresh_token"], "refresh_token")
            self.assertEqual(answer.status_code, 200, answer.text)
        with self.rule("the grant has ended (RFC 7009 §2.1)"):
            self.refused(
                "invalid_grant",
                session.refresh_token,
                client.endpoint("token_endpoint"),
                token["refresh_token"],
            )

    def test_rp_initiated_logout(self):
        client = basic()
        browser = Browser()
        token, _ = self.sign_in(client, browser)
        url = client.create_logout_url(SIGNED_OUT_URI, token["id_token"], "the state")["url"]
        with self.rule("the browser comes back with state (RP-Initiated Logout 1.0 §3)"):
            end = browser.walk(url, SIGNED_OUT_URI)
            self.assertEqual(parse_qs(urlsplit(end).query)["state"], ["the state"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
