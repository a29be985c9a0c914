"""The exchange of a code for tokens (CONFORMANCE E6 to E8, F): PKCE, single use, who may redeem it."""

from __future__ import annotations

import asyncio

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from oauth_kit import ASSERTION_TYPE, BASE_URL, EC_KEY, FHIR, assertion, code_form, public_set

from models.errors import Unauthenticated

SCOPE = "openid fhirUser user/Observation.rs user/Patient.rs"


async def exchange(http, form, **options):
    return await http.post("/oauth/token", data=form, **options)


async def refused(http, form, error="invalid_grant", status=400):
    response = await exchange(http, form)
    assert (response.status_code, response.json()["error"]) == (status, error), response.text
    return response.json()


PKCE_FAILURES = {
    "no verifier": (None, "invalid_request"),
    "a blank verifier": ("", "invalid_request"),
    "a random verifier": ("r" * 64, "invalid_grant"),
    "the challenge as verifier": ("challenge", "invalid_grant"),
}


@pytest.mark.parametrize(("verifier", "error"), PKCE_FAILURES.values(), ids=PKCE_FAILURES)
async def test_a_code_is_worth_nothing_with(http, browser, registry, verifier, error):
    app, user = await registry.app(SCOPE), await registry.user()
    code = await browser.code(app["client_id"], SCOPE, user["login"])
    sent = browser.challenge if verifier == "challenge" else verifier
    await refused(http, code_form(app["client_id"], code, "", code_verifier=sent), error)


async def test_an_unknown_code_is_refused(http, browser, registry):
    app = await registry.app(SCOPE)
    await refused(http, code_form(app["client_id"], "unknown", browser.verifier))


async def test_a_code_with_another_redirect_uri_is_refused(http, browser, registry):
    app, user = await registry.app(SCOPE), await registry.user()
    code = await browser.code(app["client_id"], SCOPE, user["login"])
    form = code_form(app["client_id"], code, browser.verifier, redirect_uri="https://app.example/other")
    await refused(http, form)


async def test_a_code_of_another_client_is_refused(http, browser, registry):
    app, thief, user = await registry.app(SCOPE), await registry.app(SCOPE), await registry.user()
    code = await browser.code(app["client_id"], SCOPE, user["login"])
    await refused(http, code_form(thief["client_id"], code, browser.verifier))
    await refused(http, code_form("nobody", code, browser.verifier), "invalid_client")


async def test_a_confidential_client_must_authenticate(http, browser, registry):
    app, user = await registry.app(SCOPE, secret=True), await registry.user()
    code = await browser.code(app["client_id"], SCOPE, user["login"])
    await refused(http, code_form(app["client_id"], code, browser.verifier), "invalid_client")


async def test_a_code_used_twice_ends_the_tokens_of_its_first_use(http, browser, registry, tokens):
    app, user = await registry.app(SCOPE), await registry.user()
    form = code_form(
        app["client_id"], await browser.code(app["client_id"], SCOPE, user["login"]), browser.verifier
    )
    first = (await exchange(http, form)).json()
    assert (await tokens.verify(first["access_token"])).user == user["login"]
    await refused(http, form)
    await asyncio.sleep(1.1)
    with pytest.raises(Unauthenticated, match="The access token was revoked"):
        await tokens.verify(first["access_token"])


async def test_of_many_concurrent_uses_of_one_code_at_most_one_succeeds(http, browser, registry):
    app, user = await registry.app(SCOPE), await registry.user()
    form = code_form(
        app["client_id"], await browser.code(app["client_id"], SCOPE, user["login"]), browser.verifier
    )
    responses = await asyncio.gather(*(exchange(http, form) for _ in range(6)))
    assert sorted(response.status_code for response in responses) == [200] + [400] * 5


@pytest.mark.parametrize("way", ["public", "secret in the header", "secret in the form", "assertion"])
async def test_a_signed_in_user_gives_an_app_a_token(http, browser, registry, tokens, way):
    metadata = {"secret": True} if "secret" in way else {}
    metadata = {"jwks": public_set(EC_KEY)} if way == "assertion" else metadata
    app, user = await registry.app(SCOPE, **metadata), await registry.user()
    code = await browser.code(app["client_id"], SCOPE, user["login"])
    named = way in {"public", "secret in the form"}
    form = code_form(app["client_id"], code, browser.verifier, client_id=app["client_id"] if named else None)
    if way == "assertion":
        form |= {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion(app["client_id"])}
    if way == "secret in the form":
        form |= {"client_secret": app["client_secret"]}
    auth = (app["client_id"], app["client_secret"]) if way == "secret in the header" else None
    response = await exchange(http, form, auth=auth)
    body = response.json()
    assert response.status_code == 200, body
    assert (body["token_type"], body["expires_in"], body["scope"]) == ("Bearer", 3600, SCOPE)
    assert response.headers["Pragma"] == "no-cache"
    principal = await tokens.verify(body["access_token"])
    assert (principal.user, principal.role, principal.fhir_user) == (
        user["login"],
        "therapist",
        "Practitioner/p1",
    )


async def test_the_id_token_names_the_user_and_verifies_with_the_published_keys(http, browser, registry):
    app, user = await registry.app(SCOPE), await registry.user()
    code = await browser.code(app["client_id"], SCOPE, user["login"], nonce="n-1")
    body = (await exchange(http, code_form(app["client_id"], code, browser.verifier))).json()
    published = (await http.get("/oauth/jwks")).json()
    assert all(not {"d", "p", "q"} & set(key) for key in published["keys"])
    decoded = jwt.decode(body["id_token"], KeySet.import_key_set(published), algorithms=["RS256"])
    claims = decoded.claims
    assert decoded.header["kid"] in {key["kid"] for key in published["keys"]}
    assert (claims["iss"], claims["aud"], claims["sub"]) == (BASE_URL, app["client_id"], user["id"])
    assert (claims["nonce"], claims["fhirUser"]) == ("n-1", f"{FHIR}/Practitioner/p1")
    assert claims["exp"] > claims["iat"]


async def test_an_id_token_is_no_access_token(http, browser, registry, tokens):
    app, user = await registry.app(SCOPE), await registry.user()
    code = await browser.code(app["client_id"], SCOPE, user["login"])
    body = (await exchange(http, code_form(app["client_id"], code, browser.verifier))).json()
    with pytest.raises(Unauthenticated, match="The access token is not valid"):
        await tokens.verify(body["id_token"])


async def test_a_user_can_take_scopes_away(http, browser, registry):
    app, user = await registry.app(SCOPE), await registry.user()
    code = await browser.code(
        app["client_id"], SCOPE, user["login"], without=("user/Observation.rs", "openid")
    )
    body = (await exchange(http, code_form(app["client_id"], code, browser.verifier))).json()
    assert body["scope"] == "fhirUser user/Patient.rs"
    assert "id_token" not in body
