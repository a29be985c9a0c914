"""Backend services: every refusal of CONFORMANCE H3 first, then what a platform gets."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import oauth_kit
import pytest
from joserfc.jwk import ECKey
from oauth_kit import EC_KEY, OTHER_KEY, RSA_KEY, assertion, backend_form, now, public_set


async def refused(http, form, status=400, error="invalid_client"):
    response = await http.post("/oauth/token", data=form)
    body = response.json()
    assert (response.status_code, body["error"]) == (status, error), body
    assert "access_token" not in body
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Pragma"] == "no-cache"
    return body["error_description"]


def base64url(content):
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


A_DAY = 24 * 60 * 60
"""Seconds; the claims are made when the tests are collected, and used late in a slow run."""

WRONG_CLAIMS = {
    "the subject differs from the issuer": {"sub": "somebody-else"},
    "the issuer is missing": {"iss": None},
    "the subject is missing": {"sub": None},
    "the audience is another server": {"aud": "https://other.example/token"},
    "the audience is the FHIR base": {"aud": oauth_kit.FHIR},
    "the audience is missing": {"aud": None},
    "it has expired": {"exp": now() - 1},
    "the expiry is missing": {"exp": None},
    "the expiry is a text": {"exp": "soon"},
    "the expiry is beyond any date": {"exp": 10**30},
    "the expiry is true": {"exp": True},
    "the expiry is beyond the calendar": {"exp": 2**39},
    "it lives longer than five minutes": {"exp": now() + A_DAY},
    "it is not valid yet": {"nbf": now() + A_DAY},
    "the jti is missing": {"jti": None},
    "the jti is empty": {"jti": ""},
    "the jti holds a NUL character": {"jti": "a\x00b"},
    "the jti is a number": {"jti": 7},
    "the jti is endless": {"jti": "x" * 10_000},
}


@pytest.mark.parametrize("claims", WRONG_CLAIMS.values(), ids=WRONG_CLAIMS)
async def test_an_assertion_is_refused_when(http, registry, claims):
    client = await registry.client()
    await refused(http, backend_form(assertion(client["client_id"], **claims)))


async def test_an_assertion_signed_by_another_key_is_refused(http, registry):
    client = await registry.client()
    text = await refused(http, backend_form(assertion(client["client_id"], OTHER_KEY)))
    assert text == "The signature of the client assertion is wrong."


async def test_an_assertion_with_an_unknown_kid_is_refused(http, registry):
    client = await registry.client()
    signed = assertion(client["client_id"], header={"kid": "unknown"})
    assert "no registered key" in await refused(http, backend_form(signed))


async def test_an_assertion_without_a_kid_is_refused(http, registry):
    client = await registry.client()
    await refused(http, backend_form(assertion(client["client_id"], header={"kid": ""})))


async def test_an_assertion_without_a_signature_is_refused(http, registry):
    client = await registry.client()
    header, payload, _ = assertion(client["client_id"]).split(".")
    unsigned = base64url(b'{"alg":"none","kid":"ec-1"}')
    await refused(http, backend_form(f"{unsigned}.{payload}."))
    await refused(http, backend_form(f"{header}.{payload}."))


async def test_an_assertion_signed_with_the_public_key_as_a_secret_is_refused(http, registry):
    client = await registry.client()
    _, payload, _ = assertion(client["client_id"]).split(".")
    header = base64url(b'{"alg":"HS384","kid":"ec-1"}')
    signature = hmac.digest(EC_KEY.as_pem(private=False), f"{header}.{payload}".encode(), "sha384")
    text = await refused(http, backend_form(f"{header}.{payload}.{base64url(signature)}"))
    assert text == "The client assertion must be signed with RS384 or ES384."


async def test_an_rs256_assertion_is_refused(http, registry):
    client = await registry.client()
    key = oauth_kit.RSAKey.import_key(RSA_KEY.as_dict(private=True) | {"alg": "RS256"})
    await refused(http, backend_form(assertion(client["client_id"], key, header={"alg": "RS256"})))


async def test_an_assertion_with_a_foreign_jku_is_refused(http, registry):
    client = await registry.client()
    signed = assertion(client["client_id"], header={"jku": "https://evil.example/jwks"})
    assert "jku" in await refused(http, backend_form(signed))


async def test_an_assertion_is_refused_the_second_time(http, registry):
    client = await registry.client()
    form = backend_form(assertion(client["client_id"]))
    assert (await http.post("/oauth/token", data=form)).status_code == 200
    assert "used before" in await refused(http, form)


async def test_of_many_concurrent_uses_of_one_assertion_one_succeeds(http, registry):
    client = await registry.client()
    form = backend_form(assertion(client["client_id"]))
    responses = await asyncio.gather(*(http.post("/oauth/token", data=form) for _ in range(8)))
    assert sorted(response.status_code for response in responses) == [200] + [400] * 7


async def test_a_jti_may_be_used_by_two_clients(http, registry):
    for client in (await registry.client(), await registry.client()):
        form = backend_form(assertion(client["client_id"], jti="the-same"))
        assert (await http.post("/oauth/token", data=form)).status_code == 200


async def test_an_unknown_client_is_refused(http):
    await refused(http, backend_form(assertion("nobody")))


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "é.é.é", "....", "e30.e30.e30", "x" * 60_000])
async def test_what_is_no_jwt_is_refused(http, text):
    await refused(http, backend_form(text))


async def test_another_assertion_type_is_refused(http, registry):
    client = await registry.client()
    form = backend_form(assertion(client["client_id"]), client_assertion_type="not_an_assertion_type")
    assert oauth_kit.ASSERTION_TYPE in await refused(http, form)


async def test_another_client_id_beside_the_assertion_is_refused(http, registry):
    client = await registry.client()
    await refused(http, backend_form(assertion(client["client_id"]), client_id="another"))


async def test_two_ways_of_authentication_at_once_are_refused(http, registry):
    client = await registry.client()
    form = backend_form(assertion(client["client_id"]), client_secret="a", client_id=client["client_id"])
    await refused(http, form, error="invalid_request")


async def test_a_client_with_a_secret_cannot_use_an_assertion(http, registry):
    client = await registry.client(secret=True)
    await refused(http, backend_form(assertion(client["client_id"])))


async def test_another_grant_type_is_refused(http, registry):
    client = await registry.client()
    form = backend_form(assertion(client["client_id"]), grant_type="password")
    await refused(http, form, error="unsupported_grant_type")


@pytest.mark.parametrize(
    "scope", ["", "patient/*.rs", "user/Patient.r", "openid", "nonsense", "system/Group.r"]
)
async def test_scopes_that_cannot_be_granted_are_refused(http, registry, scope):
    client = await registry.client("system/Patient.rs")
    await refused(http, backend_form(assertion(client["client_id"]), scope), error="invalid_scope")


async def test_an_app_cannot_use_client_credentials(http, registry):
    client = await registry.app("user/*.rs", jwks=public_set(EC_KEY), grants=["authorization_code"])
    await refused(http, backend_form(assertion(client["client_id"])), error="unauthorized_client")


async def test_a_wrong_secret_is_refused_with_a_challenge(http, registry):
    client = await registry.client(secret=True)
    form = {"grant_type": "client_credentials", "scope": "system/*.rs"}
    response = await http.post("/oauth/token", data=form, auth=(client["client_id"], "wrong"))
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")
    assert response.headers["WWW-Authenticate"] == 'Basic realm="kat-fhir"'


@pytest.mark.parametrize(
    "header", ["Basic", "Basic ", "Basic é", "Basic !!!", "Basic /////w==", "Basic YQ=="]
)
async def test_an_authorization_header_that_cannot_be_read_is_refused(http, header):
    form = {"grant_type": "client_credentials", "scope": "system/*.rs"}
    response = await http.post("/oauth/token", data=form, headers={"Authorization": header.encode()})
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize("key", [RSA_KEY, EC_KEY], ids=["RS384", "ES384"])
async def test_a_platform_gets_a_short_token_without_refresh_token(http, registry, tokens, key):
    client = await registry.client(
        "system/Patient.rs system/MedicationRequest.cruds", organization="Organization/o1"
    )
    response = await http.post(
        "/oauth/token",
        data=backend_form(assertion(client["client_id"], key), "system/*.read system/Patient.r"),
    )
    body = response.json()
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Pragma"] == "no-cache"
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 300)
    assert body["scope"] == "system/Patient.read system/MedicationRequest.read system/Patient.r"
    assert set(body) == {"access_token", "token_type", "expires_in", "scope"}
    principal = await tokens.verify(body["access_token"])
    assert (principal.client_id, principal.client_kind) == (client["client_id"], "ehr")
    assert (principal.organization, principal.user, principal.patient) == ("Organization/o1", None, None)
    assert principal.scope_text == body["scope"]


@pytest.mark.parametrize("where", ["header", "form"])
async def test_a_client_with_a_secret_gets_a_token(http, registry, where):
    client = await registry.client(secret=True)
    form = {"grant_type": "client_credentials", "scope": "system/*.rs"}
    auth = (client["client_id"], client["client_secret"]) if where == "header" else None
    response = await http.post("/oauth/token", data=form if auth else form | client, auth=auth)
    assert response.status_code == 200
    assert response.json()["scope"] == "system/*.rs"


class KeyServer:
    """Serves a key set on this machine and counts how often it is asked."""

    def __init__(self):
        self.document, self.cache_control, self.asked, self.status = public_set(EC_KEY), "", 0, 200
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked += 1
                self.send_response(outer.status)
                if outer.cache_control:
                    self.send_header("Cache-Control", outer.cache_control)
                self.send_header("Location", "/elsewhere")
                self.end_headers()
                document = outer.document
                self.wfile.write(document if isinstance(document, bytes) else json.dumps(document).encode())

            def log_message(self, *_arguments):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/jwks"
        Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def key_server():
    server = KeyServer()
    yield server
    server.close()


async def test_keys_are_fetched_from_the_registered_url_and_remembered(http, registry, key_server):
    key_server.cache_control = "max-age=60"
    client = await registry.client(jwks_uri=key_server.url)
    for _ in range(3):
        form = backend_form(assertion(client["client_id"], header={"jku": key_server.url}))
        assert (await http.post("/oauth/token", data=form)).status_code == 200
    assert key_server.asked == 1


async def test_keys_are_not_kept_longer_than_allowed_and_a_new_key_is_found(http, registry, key_server):
    key_server.cache_control = "no-store"
    client = await registry.client(jwks_uri=key_server.url)
    new_key = ECKey.generate_key("P-384", {"kid": "ec-2", "alg": "ES384"})
    assert (
        await http.post("/oauth/token", data=backend_form(assertion(client["client_id"])))
    ).status_code == 200
    key_server.document = public_set(new_key)
    await asyncio.sleep(1.1)
    signed = backend_form(assertion(client["client_id"], new_key))
    assert (await http.post("/oauth/token", data=signed)).status_code == 200
    assert "no registered key" in await refused(http, backend_form(assertion(client["client_id"])))


@pytest.mark.parametrize("status", [302, 404, 500])
async def test_a_key_url_that_does_not_serve_keys_is_refused(http, registry, key_server, status):
    key_server.status = status
    client = await registry.client(jwks_uri=key_server.url)
    text = await refused(http, backend_form(assertion(client["client_id"])))
    assert text == "The key set of this client was not served."
    assert key_server.asked == 1


NO_KEYS = {
    "no JSON": b"<html>",
    "no key set": b'{"kty": "EC"}',
    "too much": b'{"keys": []}' + b" " * 70_000,
    "deep nesting": b"[" * 50_000,
    "no key at all": {"keys": []},
    "odd members": {"keys": [1, {}, {"kty": "EC", "crv": "P-384", "kid": "ec-1", "x": "!", "y": 7}]},
    "an RSA key without modulus": {"keys": [{"kty": "RSA", "kid": "ec-1"}]},
    "a key for encryption": {"keys": [EC_KEY.as_dict(private=False) | {"use": "enc"}]},
    "a key without a name": {
        "keys": [{n: v for n, v in EC_KEY.as_dict(private=False).items() if n != "kid"}]
    },
}


@pytest.mark.parametrize("document", NO_KEYS.values(), ids=NO_KEYS)
async def test_a_key_url_is_refused_that_serves(http, registry, key_server, document):
    key_server.document = document
    client = await registry.client(jwks_uri=key_server.url)
    await refused(http, backend_form(assertion(client["client_id"])))


async def test_a_new_key_is_found_before_the_old_set_is_too_old(http, registry, key_server):
    key_server.cache_control = "max-age=3600"
    client = await registry.client(jwks_uri=key_server.url)
    assert (
        await http.post("/oauth/token", data=backend_form(assertion(client["client_id"])))
    ).status_code == 200
    key_server.document = public_set(EC_KEY, RSA_KEY)
    await asyncio.sleep(1.1)
    signed = backend_form(assertion(client["client_id"], RSA_KEY))
    assert (await http.post("/oauth/token", data=signed)).status_code == 200
    assert key_server.asked == 2


async def test_a_key_url_that_does_not_answer_is_refused(http, registry, key_server):
    key_server.close()
    client = await registry.client(jwks_uri=key_server.url)
    text = await refused(http, backend_form(assertion(client["client_id"])))
    assert text == "The key set of this client could not be fetched."


async def test_a_key_url_inside_the_network_is_refused(http, registry):
    client = await registry.client(jwks_uri="https://169.254.169.254/jwks")
    text = await refused(http, backend_form(assertion(client["client_id"])))
    assert text == "The key set of this client is at an address that is not allowed."
