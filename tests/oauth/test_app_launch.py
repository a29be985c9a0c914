"""App launch: the authorization endpoint, its pages, and the exchange of the code (CONFORMANCE E, F)."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from oauth_kit import (
    ASSERTION_TYPE,
    BASE_URL,
    EC_KEY,
    FHIR,
    Browser,
    assertion,
    code_form,
    offered,
    public_set,
    returned,
)

SCOPE = "openid fhirUser user/Observation.rs user/Patient.rs"


@pytest.fixture
def browser(http):
    return Browser(http)


async def exchange(http, form, **options):
    return await http.post("/oauth/token", data=form, **options)


async def refused(http, form, error="invalid_grant", status=400):
    response = await exchange(http, form)
    assert (response.status_code, response.json()["error"]) == (status, error), response.text
    return response.json()


NEVER_REDIRECTED = {
    "the client is unknown": {"client_id": "nobody"},
    "the client is missing": {"client_id": None},
    "the redirect URI is another": {"redirect_uri": "https://evil.example/callback"},
    "the redirect URI has a suffix": {"redirect_uri": "https://app.example/callback/more"},
    "the redirect URI has quotes": {"redirect_uri": 'https://app.example/"><script>'},
    "the redirect URI is missing": {"redirect_uri": None},
    "a parameter holds a NUL character": {"state": "a\x00b"},
    "the request is endless": {"state": "x" * 9000},
}


@pytest.mark.parametrize("changed", NEVER_REDIRECTED.values(), ids=NEVER_REDIRECTED)
async def test_nothing_is_sent_to_the_app_when(browser, registry, changed):
    app = await registry.app(SCOPE)
    page = await browser.open(app["client_id"], SCOPE, **changed)
    assert page.status_code == 400
    assert "Location" not in page.headers
    assert 'role="alert"' in page.text
    assert "evil" not in page.text
    assert "<script>" not in page.text


REDIRECTED = {
    "another response type is asked for": ({"response_type": "token"}, "unsupported_response_type"),
    "the response type is odd": ({"response_type": 'x"é\\'}, "unsupported_response_type"),
    "the response type is missing": ({"response_type": None}, "unsupported_response_type"),
    "the audience is another server": (
        {"aud": "https://inferno.healthit.gov/invalid_aud"},
        "invalid_request",
    ),
    "the audience is missing": ({"aud": None}, "invalid_request"),
    "the challenge is missing": ({"code_challenge": None}, "invalid_request"),
    "the challenge method is plain": ({"code_challenge_method": "plain"}, "invalid_request"),
    "the challenge method is missing": ({"code_challenge_method": None}, "invalid_request"),
    "the challenge is too short": ({"code_challenge": "short"}, "invalid_request"),
    "there is no scope": ({"scope": None}, "invalid_scope"),
    "no scope may be granted": ({"scope": "system/*.rs user/Group.r"}, "invalid_scope"),
    "the launch value is unknown": ({"launch": "xyz"}, "invalid_request"),
    "no page may be shown": ({"prompt": "none"}, "login_required"),
}


@pytest.mark.parametrize(("changed", "error"), REDIRECTED.values(), ids=REDIRECTED)
async def test_the_app_is_told_when(browser, registry, changed, error):
    app = await registry.app(SCOPE)
    response = await browser.open(app["client_id"], SCOPE, **changed)
    assert response.status_code == 302
    assert (returned(response)["error"], returned(response)["state"]) == (error, "state-1")


async def test_a_repeated_parameter_is_refused(http, browser, registry):
    app = await registry.app(SCOPE)
    values = list(browser.query(app["client_id"], SCOPE).items())
    page = await http.get("/oauth/authorize", params=[*values, ("scope", "user/Patient.rs")])
    assert page.status_code == 400
    assert "Location" not in page.headers


async def test_a_wrong_password_shows_the_same_text_as_an_unknown_login(browser, registry):
    app, user = await registry.app(SCOPE), await registry.user()
    page = await browser.open(app["client_id"], SCOPE)
    wrong = await browser.sign_in(page, user["login"], "wrong password")
    unknown = await browser.sign_in(page, "nobody-here", "wrong password")
    for response in (wrong, unknown):
        assert response.status_code == 401
        assert "The login or the password is wrong." in response.text
        assert user["login"] not in response.text


async def test_the_sixth_failed_sign_in_must_wait_even_with_the_right_password(browser, registry):
    app, user = await registry.app(SCOPE), await registry.user()
    page = await browser.open(app["client_id"], SCOPE)
    attempts = [browser.sign_in(page, user["login"], "wrong password") for _ in range(5)]
    assert {response.status_code for response in await asyncio.gather(*attempts)} == {401}
    response = await browser.sign_in(page, user["login"])
    assert response.status_code == 429
    assert "Wait 15 minutes" in response.text


async def test_a_form_without_its_token_is_refused(http, browser, registry):
    app, user = await registry.app(SCOPE), await registry.user()
    await browser.open(app["client_id"], SCOPE)
    form = {"login": user["login"], "password": "correct horse battery", "request": ""}
    for changed in ({}, {"form_token": "0" * 64}):
        page = await http.post("/oauth/sign-in", data=form | changed)
        assert page.status_code == 403
        assert "Set-Cookie" not in page.headers


async def test_a_form_of_another_browser_is_refused(http, browser, registry):
    app, user = await registry.app(SCOPE), await registry.user()
    page = await browser.open(app["client_id"], SCOPE)
    http.cookies.clear()
    response = await browser.sign_in(page, user["login"])
    assert response.status_code == 403


async def test_the_sign_in_form_never_leads_elsewhere(http, browser, registry):
    app, user = await registry.app(SCOPE), await registry.user()
    page = await browser.open(app["client_id"], SCOPE)
    form = {"login": user["login"], "password": "correct horse battery"}
    for target in ("https://evil.example/", "//evil.example", "\r\nLocation: https://evil.example", "é"):
        token = page.text.split('name="form_token" value="')[1].split('"')[0]
        response = await http.post("/oauth/sign-in", data=form | {"request": target, "form_token": token})
        if response.status_code == 303:
            assert response.headers["Location"].startswith("/oauth/authorize?")
            http.cookies.clear()
            page = await browser.open(app["client_id"], SCOPE)
        else:
            assert response.status_code == 400


async def test_the_pages_are_closed_to_frames_scripts_and_caches(browser, registry):
    app = await registry.app(SCOPE)
    page = await browser.open(app["client_id"], SCOPE)
    assert page.status_code == 200
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert page.headers["Cache-Control"] == "no-store"
    cookie = page.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/oauth" in cookie


async def test_a_user_who_denies_sends_the_app_an_error(browser, registry):
    app, user = await registry.app(SCOPE), await registry.user()
    page = await browser.sign_in(await browser.open(app["client_id"], SCOPE), user["login"])
    response = await browser.submit(page, "/oauth/consent", decision="deny")
    assert returned(response) == {
        "error": "access_denied",
        "error_description": "The resource owner or authorization server denied the request",
        "state": "state-1",
    }


async def test_a_user_who_allows_nothing_denies(browser, registry):
    app, user = await registry.app(SCOPE), await registry.user()
    page = await browser.sign_in(await browser.open(app["client_id"], SCOPE), user["login"])
    response = await browser.submit(page, "/oauth/consent", decision="allow")
    assert returned(response)["error"] == "access_denied"


async def test_a_scope_that_was_not_offered_cannot_be_ticked(browser, registry):
    app, user = await registry.app(SCOPE), await registry.user()
    page = await browser.sign_in(await browser.open(app["client_id"], "user/Patient.rs"), user["login"])
    response = await browser.submit(page, "/oauth/consent", decision="allow", **{"scope-7": "on"})
    assert returned(response)["error"] == "access_denied"


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
    with pytest.raises(Exception, match="The access token was revoked"):
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
    with pytest.raises(Exception, match="The access token is not valid"):
        await tokens.verify(body["id_token"])


async def test_a_user_can_take_scopes_away(http, browser, registry):
    app, user = await registry.app(SCOPE), await registry.user()
    code = await browser.code(
        app["client_id"], SCOPE, user["login"], without=("user/Observation.rs", "openid")
    )
    body = (await exchange(http, code_form(app["client_id"], code, browser.verifier))).json()
    assert body["scope"] == "fhirUser user/Patient.rs"
    assert "id_token" not in body


async def test_only_registered_scopes_are_offered_in_the_form_they_were_asked_for(browser, registry):
    app, user = await registry.app("user/*.rs?category=survey user/Patient.cruds"), await registry.user()
    asked = "user/Patient.read user/Observation.r user/Group.c launch/patient"
    page = await browser.sign_in(await browser.open(app["client_id"], asked), user["login"])
    assert list(offered(page).values()) == ["user/Patient.read", "user/Observation.r?category=survey"]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_the_authorization_endpoint_takes_get_and_post(http, browser, registry, method):
    app = await registry.app(SCOPE)
    values = browser.query(app["client_id"], SCOPE, aud=f"{FHIR}/")
    if method == "GET":
        page = await http.get("/oauth/authorize", params=values)
    else:
        redirect = await http.post("/oauth/authorize", data=values)
        assert redirect.status_code == 303
        page = await http.get(redirect.headers["Location"])
    assert page.status_code == 200
    assert "Sign in" in page.text


async def test_a_patient_opens_their_own_record_without_choosing(http, browser, registry, tokens):
    patient = await registry.patient()
    scope = "launch/patient patient/*.rs"
    app = await registry.app(scope, kind="patient-app")
    user = await registry.user("patient", f"Patient/{patient}")
    code = await browser.code(app["client_id"], scope, user["login"])
    body = (await exchange(http, code_form(app["client_id"], code, browser.verifier))).json()
    assert (body["patient"], body["scope"]) == (patient, scope)
    assert (await tokens.verify(body["access_token"])).patient == patient


async def test_a_patient_cannot_choose_another_patient(http, browser, registry):
    own, other = await registry.patient(), await registry.patient()
    app = await registry.app("patient/*.rs", kind="patient-app")
    user = await registry.user("patient", f"Patient/{own}")
    page = await browser.sign_in(await browser.open(app["client_id"], "patient/*.rs"), user["login"])
    values = {"decision": "allow", "scope-0": "on", "patient": other}
    response = await browser.submit(page, "/oauth/consent", **values)
    form = code_form(app["client_id"], returned(response)["code"], browser.verifier)
    assert (await exchange(http, form)).json()["patient"] == own


@pytest.mark.parametrize("by", ["the beginning of a name", "a record number"])
async def test_a_therapist_finds_a_patient_by(http, browser, registry, by):
    family = f"Zz{uuid4().hex}"
    patient = await registry.patient(family)
    text = f"MRN-{family}" if by == "a record number" else family[:12].upper()
    app, user = await registry.app("launch/patient patient/*.rs"), await registry.user()
    page = await browser.sign_in(await browser.open(app["client_id"], "patient/*.rs"), user["login"])
    assert "Choose a patient" in page.text
    found = await browser.submit(page, "/oauth/consent", patient_search=text)
    assert found.text.count('class="choice"') == 1
    consent = await browser.submit(found, "/oauth/consent", patient=patient)
    assert family in consent.text
    response = await browser.allow(consent)
    form = code_form(app["client_id"], returned(response)["code"], browser.verifier)
    assert (await exchange(http, form)).json()["patient"] == patient


async def test_a_patient_that_does_not_exist_cannot_be_chosen(browser, registry):
    app, user = await registry.app("patient/*.rs"), await registry.user()
    page = await browser.sign_in(await browser.open(app["client_id"], "patient/*.rs"), user["login"])
    again = await browser.submit(
        page, "/oauth/consent", patient="unknown", decision="allow", **{"scope-0": "on"}
    )
    assert "Choose a patient" in again.text


async def test_an_outside_prescriber_sees_no_list_of_patients(browser, registry):
    await registry.patient()
    app, user = await registry.app("patient/*.rs"), await registry.user("prescriber", "Practitioner/rx")
    page = await browser.sign_in(await browser.open(app["client_id"], "patient/*.rs"), user["login"])
    assert page.status_code == 403
    assert 'class="choice"' not in page.text


async def test_a_user_can_change_the_login(browser, registry):
    app, user = await registry.app(SCOPE), await registry.user()
    page = await browser.sign_in(await browser.open(app["client_id"], SCOPE), user["login"])
    again = await browser.submit(page, "/oauth/sign-out")
    assert "Sign in" in again.text
    assert "Sign in" in (await browser.open(app["client_id"], SCOPE)).text


async def test_a_remembered_sign_in_is_asked_for_again_only_when_the_app_wants_that(browser, registry):
    app, user = await registry.app(SCOPE), await registry.user()
    await browser.sign_in(await browser.open(app["client_id"], SCOPE), user["login"])
    assert "Allow" in (await browser.open(app["client_id"], SCOPE)).text
    silent = await browser.open(app["client_id"], SCOPE, prompt="none")
    assert returned(silent)["error"] == "interaction_required"
