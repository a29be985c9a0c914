"""What becomes of tokens: refreshed, revoked, introspected, expired, deactivated."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from oauth_kit import EC_KEY, Browser, assertion, backend_form, code_form

from models.errors import Unauthenticated, Unavailable
from models.oauth import OAuthAssertion
from service.database import Database
from service.oauth.authorization import Authorization
from service.oauth.keys import rotate
from service.oauth.sweep import sweep
from service.oauth.tokens import AccessTokens, Allowance, issue_access_token, issue_id_token

SCOPE = "openid fhirUser offline_access user/Observation.rs user/Patient.rs"


@pytest.fixture
async def app(registry):
    return await registry.app(SCOPE)


@pytest.fixture
async def issued(http, registry, app):
    browser, user = Browser(http), await registry.user()
    code = await browser.code(app["client_id"], SCOPE, user["login"])
    response = await http.post("/oauth/token", data=code_form(app["client_id"], code, browser.verifier))
    assert response.status_code == 200
    return response.json() | {"login": user["login"], "user_id": user["id"]}


@pytest.fixture
async def backend_token(http, registry):
    client = await registry.client(secret=True)
    form = {"grant_type": "client_credentials", "scope": "system/*.rs"} | client
    token = (await http.post("/oauth/token", data=form)).json()["access_token"]
    return client | {"token": token}


async def refresh(http, client_id, refresh_token, **changed):
    form = {"grant_type": "refresh_token", "client_id": client_id, "refresh_token": refresh_token}
    return await http.post("/oauth/token", data=form | changed)


async def test_an_unknown_refresh_token_is_refused(http, app):
    response = await refresh(http, app["client_id"], "unknown")
    assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")


async def test_a_refresh_token_of_another_client_is_refused(http, registry, issued):
    thief = await registry.app(SCOPE)
    response = await refresh(http, thief["client_id"], issued["refresh_token"])
    assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")


async def test_a_confidential_app_cannot_refresh_without_its_secret(http, registry):
    app, browser, user = await registry.app(SCOPE, secret=True), Browser(http), await registry.user()
    code = await browser.code(app["client_id"], SCOPE, user["login"])
    secret = {"client_secret": app["client_secret"]}
    token = (
        await http.post("/oauth/token", data=code_form(app["client_id"], code, browser.verifier) | secret)
    ).json()
    form = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"]}
    response = await http.post("/oauth/token", data=form)
    assert response.json()["error"] == "invalid_client"
    assert (await http.post("/oauth/token", data=form | app)).status_code == 200


@pytest.mark.parametrize("named", [{}, {"refresh_token": ""}, {"refresh_token": "unknown"}])
async def test_a_refresh_by_nobody_is_refused(http, named):
    response = await http.post("/oauth/token", data={"grant_type": "refresh_token"} | named)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")


async def test_a_public_app_refreshes_without_naming_itself(http, issued):
    form = {"grant_type": "refresh_token", "refresh_token": issued["refresh_token"]}
    response = await http.post("/oauth/token", data=form)
    assert response.status_code == 200
    assert response.json()["refresh_token"] != issued["refresh_token"]
    again = await http.post("/oauth/token", data=form)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(
    "scope", ["user/Group.rs", "user/Patient.rs user/Patient.c", "user/*.rs", "nonsense"]
)
async def test_a_refresh_cannot_widen_the_scopes(http, app, issued, scope):
    response = await refresh(http, app["client_id"], issued["refresh_token"], scope=scope)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_scope")


async def test_a_second_use_of_a_refresh_token_ends_everything(http, app, issued, tokens):
    renewed = (await refresh(http, app["client_id"], issued["refresh_token"])).json()
    again = await refresh(http, app["client_id"], issued["refresh_token"])
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    last = await refresh(http, app["client_id"], renewed["refresh_token"])
    assert (last.status_code, last.json()["error"]) == (400, "invalid_grant")
    with pytest.raises(Unauthenticated, match="revoked"):
        await tokens.verify(renewed["access_token"])


async def test_of_concurrent_uses_of_a_refresh_token_at_most_one_succeeds(http, app, issued):
    responses = await asyncio.gather(
        *(refresh(http, app["client_id"], issued["refresh_token"]) for _ in range(5))
    )
    assert sorted(response.status_code for response in responses) == [200, 400, 400, 400, 400]


async def test_a_refresh_keeps_the_scopes_and_can_narrow_one_token(http, app, issued, tokens):
    narrow = await refresh(http, app["client_id"], issued["refresh_token"], scope="user/Patient.rs")
    assert narrow.status_code == 200
    assert narrow.json()["scope"] == "user/Patient.rs"
    whole = await refresh(http, app["client_id"], narrow.json()["refresh_token"])
    body = whole.json()
    assert (body["scope"], body["expires_in"]) == (SCOPE, 3600)
    assert whole.headers["Pragma"] == "no-cache"
    assert (await tokens.verify(body["access_token"])).user == issued["login"]


async def test_an_app_without_offline_access_gets_no_refresh_token(http, registry):
    browser, user, app = Browser(http), await registry.user(), await registry.app(SCOPE)
    code = await browser.code(app["client_id"], SCOPE, user["login"], without=("offline_access",))
    response = await http.post("/oauth/token", data=code_form(app["client_id"], code, browser.verifier))
    assert "refresh_token" not in response.json()


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
async def test_after_revocation_neither_token_works(http, app, issued, tokens, which):
    await tokens.verify(issued["access_token"])
    form = {"client_id": app["client_id"], "token": issued[which], "token_type_hint": "anything"}
    response = await http.post("/oauth/revoke", data=form)
    assert response.status_code == 200
    assert (await refresh(http, app["client_id"], issued["refresh_token"])).status_code == 400
    await asyncio.sleep(1.1)
    with pytest.raises(Unauthenticated, match="revoked"):
        await tokens.verify(issued["access_token"])


async def test_a_client_cannot_revoke_the_token_of_another(http, registry, issued, tokens):
    thief = await registry.app(SCOPE)
    form = {"client_id": thief["client_id"], "token": issued["access_token"]}
    response = await http.post("/oauth/revoke", data=form)
    assert response.status_code == 400
    assert await tokens.verify(issued["access_token"])


async def test_revoking_an_unknown_token_succeeds(http, app):
    response = await http.post("/oauth/revoke", data={"client_id": app["client_id"], "token": "unknown"})
    assert response.status_code == 200


@pytest.mark.parametrize("endpoint", ["revoke", "introspect"])
async def test_the_token_must_be_named_and_the_client_known(http, backend_token, endpoint):
    auth = (backend_token["client_id"], backend_token["client_secret"])
    unnamed = await http.post(f"/oauth/{endpoint}", data={"x": "y"}, auth=auth)
    assert (unnamed.status_code, unnamed.json()["error"]) == (400, "invalid_request")
    unknown = await http.post(f"/oauth/{endpoint}", data={"token": "x"})
    assert (unknown.status_code, unknown.json()["error"]) == (400, "invalid_client")


async def test_a_revoked_backend_token_stops_working_within_a_second(http, backend_token, tokens):
    await tokens.verify(backend_token["token"])
    auth = (backend_token["client_id"], backend_token["client_secret"])
    await http.post("/oauth/revoke", data={"token": backend_token["token"]}, auth=auth)
    await asyncio.sleep(1.1)
    with pytest.raises(Unauthenticated, match="revoked"):
        await tokens.verify(backend_token["token"])
    answer = await http.post("/oauth/introspect", data={"token": backend_token["token"]}, auth=auth)
    assert answer.json() == {"active": False}


async def test_a_public_client_cannot_introspect_by_its_name_alone(http, app, issued):
    form = {"client_id": app["client_id"], "token": issued["access_token"]}
    response = await http.post("/oauth/introspect", data=form)
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize("token", ["garbage", "a.b.c", "é", "x" * 20_000])
async def test_garbage_is_inactive_and_nothing_else(http, backend_token, token):
    auth = (backend_token["client_id"], backend_token["client_secret"])
    response = await http.post("/oauth/introspect", data={"token": token}, auth=auth)
    assert (response.status_code, response.json()) == (200, {"active": False})


async def test_the_token_of_another_client_looks_inactive(http, backend_token, issued):
    auth = (backend_token["client_id"], backend_token["client_secret"])
    response = await http.post("/oauth/introspect", data={"token": issued["access_token"]}, auth=auth)
    assert response.json() == {"active": False}


async def test_a_wrong_bearer_cannot_introspect(http, issued):
    headers = {"Authorization": "Bearer wrong"}
    response = await http.post("/oauth/introspect", data={"token": issued["access_token"]}, headers=headers)
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")


async def test_a_bearer_learns_about_its_own_token(http, app, issued):
    headers = {"Authorization": f"Bearer {issued['access_token']}"}
    response = await http.post("/oauth/introspect", data={"token": issued["access_token"]}, headers=headers)
    body = response.json()
    assert (body["active"], body["client_id"], body["scope"]) == (True, app["client_id"], SCOPE)
    assert (body["sub"], body["exp"] > time.time()) == (issued["user_id"], True)
    assert body["fhirUser"].endswith("/fhir/Practitioner/p1")


async def test_a_backend_service_introspects_with_an_assertion(http, registry):
    client = await registry.client()
    form = backend_form(assertion(client["client_id"]))
    token = (await http.post("/oauth/token", data=form)).json()["access_token"]
    proof = backend_form(assertion(client["client_id"], EC_KEY))
    response = await http.post("/oauth/introspect", data=proof | {"token": token})
    assert response.json()["active"] is True


async def test_tokens_of_a_deactivated_client_and_user_stop_working(
    http, database, registry, app, issued, tokens
):
    other = AccessTokens(database, tokens.settings)
    await tokens.verify(issued["access_token"])
    async with database.acquire() as connection:
        await connection.execute("UPDATE oauth_user SET active = false WHERE id = $1", issued["user_id"])
    await asyncio.sleep(1.1)
    for verifier in (tokens, other):
        with pytest.raises(Unauthenticated):
            await verifier.verify(issued["access_token"])
    response = await refresh(http, app["client_id"], issued["refresh_token"])
    assert response.status_code == 400
    async with database.acquire() as connection:
        await connection.execute(
            "UPDATE oauth_client SET active = false WHERE client_id = $1", app["client_id"]
        )
    response = await refresh(http, app["client_id"], issued["refresh_token"])
    assert response.json()["error"] == "invalid_client"


async def test_a_token_stops_working_when_its_time_is_over(database, tokens, backend_token):
    late = AccessTokens(database, tokens.settings, clock=lambda: time.time() + 301)
    await tokens.verify(backend_token["token"])
    with pytest.raises(Unauthenticated, match="expired"):
        await late.verify(backend_token["token"])
    tokens.clock = late.clock
    with pytest.raises(Unauthenticated, match="expired"):
        await tokens.verify(backend_token["token"])


async def test_a_token_for_another_server_is_refused(database, tokens, backend_token):
    elsewhere = AccessTokens(database, replace(tokens.settings, base_url="http://127.0.0.1:9999"))
    with pytest.raises(Unauthenticated, match="another server"):
        await elsewhere.verify(backend_token["token"])


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é.é.é", "\ud800", "\x00", "e30.e30.e30", "x" * 100_000])
async def test_what_is_no_token_is_refused(tokens, token):
    with pytest.raises(Unauthenticated) as caught:
        await tokens.verify(token)
    assert caught.value.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


async def test_a_forged_token_is_refused(tokens, registry):
    client = await registry.client()
    real = await tokens.keys.current()
    allowance = Allowance(client["client_id"], "system/*.cruds")
    forger = RSAKey.generate_key(2048, {"kid": real.kid})
    unknown = RSAKey.generate_key(2048, {"kid": "unknown"})
    now = datetime.now(UTC)
    forged = [issue_access_token(key, allowance, tokens.settings.base_url, now) for key in (forger, unknown)]
    claims = {"iss": tokens.settings.base_url, "client_id": client["client_id"], "exp": 2**40}
    secret = OctKey.generate_key(256)
    header = {"alg": "HS256", "kid": real.kid, "typ": "at+jwt"}
    forged.append(jwt.encode(header, claims, secret, algorithms=["HS256"]))
    for token in forged:
        with pytest.raises(Unauthenticated, match="not valid"):
            await tokens.verify(token)


async def test_tokens_survive_a_rotation_and_new_ones_are_signed_with_the_new_key(
    database, http, tokens, backend_token
):
    old = (await tokens.keys.current()).kid
    async with database.sessions.begin() as session:
        new = await rotate(session, datetime.now(UTC))
    other = AccessTokens(database, tokens.settings)
    assert (await other.keys.current()).kid == new
    assert {key["kid"] for key in (await other.keys.public_key_set())["keys"]} >= {old, new}
    assert (await other.verify(backend_token["token"])).client_id == backend_token["client_id"]


async def test_workers_that_start_together_share_one_first_key(empty_database_url, local_settings):
    workers = [await Database.open(empty_database_url, max_size=2) for _ in range(3)]
    verifiers = [AccessTokens(worker, local_settings) for worker in workers]
    keys = await asyncio.gather(*(verifier.keys.current() for verifier in verifiers))
    assert len({key.kid for key in keys}) == 1
    for worker in workers:
        await worker.close()


async def test_an_id_token_cannot_be_made_for_a_service(tokens):
    allowance = Allowance("client", "openid")
    with pytest.raises(ValueError, match="needs a user"):
        issue_id_token(await tokens.keys.current(), allowance, "http://127.0.0.1", datetime.now(UTC))


async def test_while_the_database_is_away_the_answer_is_to_try_again(database, local_settings):
    away = Database("postgresql://127.0.0.1:1/none", database.pool)
    tokens = AccessTokens(away, local_settings)
    authorization = Authorization(away, local_settings, tokens)
    form = b"grant_type=client_credentials&client_id=a&client_secret=b"
    with pytest.raises(Unavailable) as caught:
        await authorization.token(form, {})
    assert caught.value.headers["Retry-After"]


async def test_what_has_expired_is_swept_away_and_nothing_else(database):
    now = datetime.now(UTC)
    names = {"old": now - timedelta(seconds=1), "new": now + timedelta(minutes=1)}
    async with database.sessions.begin() as session:
        session.add_all(OAuthAssertion(issuer="sweep", jti=jti, expires_at=at) for jti, at in names.items())
    async with database.sessions.begin() as one, database.sessions.begin() as other:
        await sweep(one, now)
        await sweep(other, now)
    async with database.acquire() as connection:
        rows = await connection.fetch("SELECT jti FROM oauth_assertion WHERE issuer = 'sweep'")
    assert [row["jti"] for row in rows] == ["new"]


async def test_a_known_token_is_verified_without_asking_the_database(tokens, backend_token):
    await tokens.verify(backend_token["token"])
    started = time.perf_counter()
    for _ in range(1000):
        await tokens.verify(backend_token["token"])
    assert (time.perf_counter() - started) / 1000 < 0.000_1
