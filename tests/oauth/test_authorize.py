"""The authorization endpoint and its pages (CONFORMANCE E): who is let in, and what they are asked."""

from __future__ import annotations

import asyncio

import pytest
from oauth_kit import FHIR, offered, returned

SCOPE = "openid fhirUser user/Observation.rs user/Patient.rs"


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
    "the nonce is endless": ({"nonce": "n" * 300}, "invalid_request"),
    "no page may be shown": ({"prompt": "none"}, "login_required"),
}


@pytest.mark.parametrize(("changed", "error"), REDIRECTED.values(), ids=REDIRECTED)
async def test_the_app_is_told_when(browser, registry, changed, error):
    app = await registry.app(SCOPE)
    response = await browser.open(app["client_id"], SCOPE, **changed)
    assert response.status_code == 302
    assert (returned(response)["error"], returned(response)["state"]) == (error, "state-1")


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


async def test_a_repeated_parameter_is_refused(http, browser, registry):
    app = await registry.app(SCOPE)
    values = list(browser.query(app["client_id"], SCOPE).items())
    page = await http.get("/oauth/authorize", params=[*values, ("scope", "user/Patient.rs")])
    assert page.status_code == 400
    assert "Location" not in page.headers


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


async def test_only_registered_scopes_are_offered_in_the_form_they_were_asked_for(browser, registry):
    app, user = (
        await registry.app("user/Observation.rs?category=survey user/Patient.cruds"),
        await registry.user(),
    )
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
