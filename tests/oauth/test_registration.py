"""What clients and users can be registered with; every refusal says what to change."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from joserfc.jwk import ECKey
from oauth_kit import EC_KEY, PASSWORD, REDIRECT_URI, RSA_KEY, public_set

from service.oauth.registration import InvalidRegistration, add_client, add_user

SYSTEM = {"kind": "ehr", "scope": "system/*.rs", "secret": True}
APP = {"kind": "therapist-app", "scope": "user/*.rs", "public": True, "redirect_uris": [REDIRECT_URI]}
WEAK = {"kty": "RSA", "kid": "weak", "e": "AQAB", "n": "w" * 171}
"""An RSA key of 1024 bits."""
P256 = ECKey.generate_key("P-256", {"kid": "p256"})

REFUSED = {
    "no name": (SYSTEM | {"name": " "}, "name is 1 to 200"),
    "a name with a line break": (SYSTEM | {"name": "a\nb"}, "name is 1 to 200"),
    "an unknown kind": (SYSTEM | {"kind": "robot"}, "The kind must be one of prescriber, ehr"),
    "an unknown grant": (SYSTEM | {"grants": ["password"]}, "A grant is client_credentials"),
    "an organization that is none": (SYSTEM | {"organization": "Patient/1"}, "such as Organization/org-1"),
    "a bad client id": (SYSTEM | {"client_id": "a b"}, "A client_id is"),
    "no proof": ({"kind": "ehr", "scope": "system/*.rs"}, "Choose exactly one"),
    "two proofs": (SYSTEM | {"public": True}, "Choose exactly one"),
    "two key sets": (
        {
            "kind": "ehr",
            "scope": "system/*.rs",
            "jwks": public_set(EC_KEY),
            "jwks_uri": "https://a.example/j",
        },
        "Choose exactly one",
    ),
    "an unknown type in a scope": (SYSTEM | {"scope": "system/Unicorn.r"}, "not served here"),
    "a scope with letters out of order": (SYSTEM | {"scope": "system/Patient.sr"}, "not understood"),
    "a query that is no search": (
        SYSTEM | {"scope": "system/Patient.r?unicorn=1"},
        "cannot be searched with",
    ),
    "a query on every type": (SYSTEM | {"scope": "system/*.r?category=a"}, "names one resource type"),
    "a launch URL without TLS": (APP | {"launch_uri": "http://app.example/launch"}, "The launch URL must be"),
    "no scope": (SYSTEM | {"scope": " "}, "at least one scope"),
    "system scopes for an app": (APP | {"scope": "system/*.rs"}, "need the client_credentials grant"),
    "user scopes for a service": (
        SYSTEM | {"scope": "system/*.rs user/*.rs"},
        "need the authorization_code grant",
    ),
    "a service without system scopes": (SYSTEM | {"scope": "openid"}, "needs a scope system/"),
    "a public service": (APP | {"grants": ["client_credentials"], "redirect_uris": []}, "proves nothing"),
    "an app without redirect URI": (APP | {"redirect_uris": []}, "needs a redirect URI"),
    "a grant without redirect URI": (
        APP | {"grants": ["authorization_code"], "redirect_uris": []},
        "come together",
    ),
    "a private key": (
        {"kind": "ehr", "scope": "system/*.rs", "jwks": {"keys": [EC_KEY.as_dict(private=True)]}},
        "public half only",
    ),
    "a shared secret as key": (
        {"kind": "ehr", "scope": "system/*.rs", "jwks": {"keys": [{"kty": "oct", "k": "YQ", "kid": "1"}]}},
        "public half only",
    ),
    "a weak RSA key": ({"kind": "ehr", "scope": "system/*.rs", "jwks": {"keys": [WEAK]}}, "2048 bits"),
    "a P-256 key": ({"kind": "ehr", "scope": "system/*.rs", "jwks": public_set(P256)}, "P-384"),
    "an empty key set": ({"kind": "ehr", "scope": "system/*.rs", "jwks": {"keys": []}}, "2048 bits"),
    "no key set": ({"kind": "ehr", "scope": "system/*.rs", "jwks": {"kty": "EC"}}, 'a list "keys"'),
    "keys of one name": (
        {"kind": "ehr", "scope": "system/*.rs", "jwks": public_set(EC_KEY, EC_KEY)},
        'a "kid" of its own',
    ),
    "keys without names": (
        {"kind": "ehr", "scope": "system/*.rs", "jwks": {"keys": [{"kty": "EC"}]}},
        'a "kid" of its own',
    ),
}
REFUSED |= {
    f"the redirect URI {uri!r}": (APP | {"redirect_uris": [uri]}, "A redirect URI must be")
    for uri in (
        "",
        "/callback",
        "javascript:alert(1)",
        "data:text/html,x",
        "http://app.example/callback",
        "https://app.example/callback#fragment",
        "https://user@app.example/callback",
        "https://app.example/call back",
        "https://app.example/\n",
        "https://[::1",
        "https://app.example:99999/",
        "myapp:/callback",
        "https://äpp.example/",
    )
}
REFUSED |= {
    f"the key URL {uri!r}": ({"kind": "ehr", "scope": "system/*.rs", "jwks_uri": uri}, "The JWKS URL must be")
    for uri in ("", "file:///etc/passwd", "http://keys.example/jwks", "ftp://keys.example/", "https://")
}


@pytest.mark.parametrize(("client", "text"), REFUSED.values(), ids=REFUSED)
async def test_a_client_is_refused_with(database, client, text):
    async with database.sessions() as session:
        with pytest.raises(InvalidRegistration, match=text):
            await add_client(session, **({"name": "A client", "now": datetime.now(UTC)} | client))


async def test_a_client_id_is_given_once(database):
    client_id = f"client-{uuid4().hex}"
    async with database.sessions.begin() as session:
        await add_client(session, name="One", now=datetime.now(UTC), client_id=client_id, **SYSTEM)
        with pytest.raises(InvalidRegistration, match="already a client"):
            await add_client(session, name="Two", now=datetime.now(UTC), client_id=client_id, **SYSTEM)


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"login": ""}, "A login is"),
        ({"login": "a b"}, "A login is"),
        ({"login": "a\x00"}, "A login is"),
        ({"password": "short"}, "A password has"),
        ({"password": "x" * 300}, "A password has"),
        ({"role": "king"}, "The role must be one of therapist"),
        ({"fhir_user": None}, "must be a reference"),
        ({"fhir_user": "Organization/1"}, "must be a reference"),
        ({"fhir_user": "Patient/1"}, "A patient's FHIR user"),
        ({"role": "patient"}, "A patient's FHIR user"),
    ],
)
async def test_a_user_is_refused_with(database, changed, text):
    user = {
        "login": f"u{uuid4().hex}",
        "password": PASSWORD,
        "role": "therapist",
        "fhir_user": "Practitioner/1",
    }
    async with database.sessions() as session:
        with pytest.raises(InvalidRegistration, match=text):
            await add_user(session, **(user | changed), now=datetime.now(UTC))


async def test_a_login_is_given_once_whatever_its_case(database):
    login = f"user-{uuid4().hex}"
    user = {"password": PASSWORD, "role": "auditor", "fhir_user": None, "now": datetime.now(UTC)}
    async with database.sessions.begin() as session:
        await add_user(session, login=login, **user)
        with pytest.raises(InvalidRegistration, match="already a user"):
            await add_user(session, login=login.upper(), **user)


async def test_neither_secret_nor_password_is_stored(database):
    async with database.sessions.begin() as session:
        client = await add_client(session, name="A client", now=datetime.now(UTC), **SYSTEM)
        user = {"login": f"u{uuid4().hex}", "password": PASSWORD, "role": "admin", "fhir_user": None}
        await add_user(session, **user, now=datetime.now(UTC))
    async with database.acquire() as connection:
        row = await connection.fetchrow(
            "SELECT * FROM oauth_client WHERE client_id = $1", client["client_id"]
        )
        stored = await connection.fetchval(
            "SELECT password_hash FROM oauth_user WHERE login = $1", user["login"]
        )
    assert len(client["client_secret"]) >= 43
    assert client["client_secret"] not in str(row)
    assert stored.startswith("$argon2id$")


@pytest.mark.parametrize(
    "uri", ["com.example.app:/callback", "http://127.0.0.1:9/cb", "https://a.example/cb?x=y"]
)
async def test_native_and_local_redirect_uris_are_accepted(database, uri):
    async with database.sessions.begin() as session:
        client = await add_client(
            session, name="App", now=datetime.now(UTC), **(APP | {"redirect_uris": [uri]})
        )
    assert set(client) == {"client_id"}


@pytest.mark.parametrize(
    ("kind", "metadata", "grants"),
    [
        ("prescriber", {"jwks": public_set(RSA_KEY)}, ["client_credentials"]),
        (
            "ehr",
            {"secret": True, "redirect_uris": [REDIRECT_URI]},
            ["client_credentials", "authorization_code"],
        ),
        ("therapist-app", {"secret": True, "redirect_uris": [REDIRECT_URI]}, ["authorization_code"]),
    ],
)
async def test_grants_follow_from_the_kind_and_the_proof(database, kind, metadata, grants):
    scope = " ".join(
        word
        for grant, word in (("client_credentials", "system/*.rs"), ("authorization_code", "user/*.rs"))
        if grant in grants
    )
    async with database.sessions.begin() as session:
        client = await add_client(
            session, name="A", kind=kind, scope=scope, now=datetime.now(UTC), **metadata
        )
    async with database.acquire() as connection:
        query = "SELECT grant_types FROM oauth_client WHERE client_id = $1"
        assert await connection.fetchval(query, client["client_id"]) == grants
