"""What an OAuth client does, written for tests: keys, assertions, PKCE, and a person at a browser."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from service.database import Database
from service.oauth import registration

BASE_URL = "http://127.0.0.1:8000"
FHIR = f"{BASE_URL}/fhir"
TOKEN_URL = f"{BASE_URL}/oauth/token"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
REDIRECT_URI = "https://app.example/callback"
PASSWORD = "correct horse battery"

RSA_KEY = RSAKey.generate_key(2048, {"kid": "rsa-1", "alg": "RS384", "use": "sig"})
EC_KEY = ECKey.generate_key("P-384", {"kid": "ec-1", "alg": "ES384", "use": "sig"})
OTHER_KEY = ECKey.generate_key("P-384", {"kid": "ec-1", "alg": "ES384", "use": "sig"})


def public_set(*keys: RSAKey | ECKey) -> dict[str, Any]:
    return {"keys": [key.as_dict(private=False) for key in keys]}


def now() -> int:
    return int(datetime.now(UTC).timestamp())


def assertion(client_id: str, key: RSAKey | ECKey = EC_KEY, header: Any = None, **changed: Any) -> str:
    """Sign a client assertion; a claim given as None is left out."""
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": TOKEN_URL,
        "exp": now() + 300,
        "jti": str(uuid4()),
    } | changed
    claims = {name: value for name, value in claims.items() if value is not None}
    full = {"alg": "RS384" if isinstance(key, RSAKey) else "ES384", "kid": key.kid, "typ": "JWT"} | (
        header or {}
    )
    return jwt.encode(full, claims, key, algorithms=[full["alg"]])


def backend_form(signed: str, scope: str = "system/*.rs", **changed: str) -> dict[str, str]:
    return {
        "grant_type": "client_credentials",
        "scope": scope,
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": signed,
    } | changed


@dataclass
class Registry:
    """Registers clients and users with names nobody else has."""

    database: Database

    async def client(
        self, scope: str = "system/*.cruds", kind: str = "ehr", **metadata: Any
    ) -> dict[str, str]:
        if not {"jwks", "jwks_uri", "secret", "public"} & metadata.keys():
            metadata["jwks"] = public_set(RSA_KEY, EC_KEY)
        async with self.database.sessions.begin() as session:
            return await registration.add_client(
                session, name="A client", kind=kind, scope=scope, now=datetime.now(UTC), **metadata
            )

    async def app(self, scope: str = "patient/*.rs openid fhirUser", **metadata: Any) -> dict[str, str]:
        kind = metadata.pop("kind", "therapist-app")
        metadata.setdefault("redirect_uris", [REDIRECT_URI])
        if not {"jwks", "jwks_uri", "secret"} & metadata.keys():
            metadata["public"] = True
        return await self.client(scope, kind=kind, **metadata)

    async def user(
        self, role: str = "therapist", fhir_user: str | None = "Practitioner/p1"
    ) -> dict[str, str]:
        async with self.database.sessions.begin() as session:
            return await registration.add_user(
                session,
                login=f"user-{uuid4().hex}",
                password=PASSWORD,
                role=role,
                fhir_user=fhir_user,
                now=datetime.now(UTC),
            )

    async def patient(self, family: str = "Example") -> str:
        patient_id = uuid4().hex
        document = {"resourceType": "Patient", "id": patient_id, "birthDate": "1980-02-03"}
        document["name"] = [{"family": family, "given": ["Pat"]}] if family else [{"use": "old"}]
        body = json.dumps(document)
        async with self.database.acquire() as connection:
            await connection.execute(
                "INSERT INTO fhir_patient (id, version, tx, last_updated, deleted, body, patient, terms)"
                " VALUES ($1, 1, pg_current_xact_id(), now(), false, $2, $1, $3)",
                patient_id,
                body,
                [f"identifier=mrn-{family.lower()}"],
            )
            await connection.execute(
                "INSERT INTO index_string (resource_type, parameter, id, value, exact)"
                " VALUES ('Patient', 'name', $1, lower($2), $2)",
                patient_id,
                family,
            )
        return patient_id


@dataclass
class Browser:
    """A person at a browser: follows our pages, fills in the forms, and notes where the app is sent to."""

    http: httpx.AsyncClient
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))

    @property
    def challenge(self) -> str:
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    def query(self, client_id: str, scope: str, /, **changed: str | None) -> dict[str, str]:
        values: dict[str, str | None] = {
            "response_type": "code",
            "client_id": client_id,
            "redirect_uri": REDIRECT_URI,
            "scope": scope,
            "state": "state-1",
            "aud": FHIR,
            "code_challenge": self.challenge,
            "code_challenge_method": "S256",
        }
        values |= changed
        return {name: value for name, value in values.items() if value is not None}

    async def open(self, client_id: str, scope: str, /, **changed: str | None) -> httpx.Response:
        return await self.http.get("/oauth/authorize", params=self.query(client_id, scope, **changed))

    async def submit(self, page: httpx.Response, action: str, **values: str) -> httpx.Response:
        form = hidden_fields(page, action) | values
        response = await self.http.post(action, data=form)
        if response.status_code == 303:
            response = await self.http.get(response.headers["Location"])
        return response

    async def sign_in(self, page: httpx.Response, login: str, password: str = PASSWORD) -> httpx.Response:
        return await self.submit(page, "/oauth/sign-in", login=login, password=password)

    async def allow(self, page: httpx.Response, without: tuple[str, ...] = ()) -> httpx.Response:
        ticked = {name: "on" for name, word in offered(page).items() if word not in without}
        return await self.submit(page, "/oauth/consent", decision="allow", **ticked)

    async def code(self, client_id: str, scope: str, login: str, **changed: Any) -> str:
        """Go all the way and return the code."""
        patient = changed.pop("patient", None)
        without = changed.pop("without", ())
        page = await self.sign_in(await self.open(client_id, scope, **changed), login)
        if patient:
            page = await self.submit(page, "/oauth/consent", patient=patient)
        response = await self.allow(page, without)
        assert response.status_code == 302, response.text
        return returned(response)["code"]


def hidden_fields(page: httpx.Response, action: str) -> dict[str, str]:
    forms = re.findall(r"<form[^>]*action=\"([^\"]+)\"[^>]*>(.*?)</form>", page.text, re.DOTALL)
    content = next(content for target, content in reversed(forms) if target == action)
    found = re.findall(r"<input type=\"hidden\" name=\"([^\"]+)\" value=\"([^\"]*)\">", content)
    return {name: html.unescape(value) for name, value in found}


def offered(page: httpx.Response) -> dict[str, str]:
    """Return the scopes on a consent page by the names of their boxes."""
    found = re.findall(r"name=\"(scope-\d+)\" checked> <span>.*?<code[^>]*>([^<]+)</code>", page.text)
    return {name: html.unescape(word) for name, word in found}


def returned(response: httpx.Response) -> dict[str, str]:
    """Return the parameters that the app is sent back with."""
    location = urlsplit(response.headers["Location"])
    assert f"{location.scheme}://{location.netloc}{location.path}" == REDIRECT_URI
    return {name: values[0] for name, values in parse_qs(location.query).items()}


def code_form(client_id: str, code: str, verifier: str, /, **changed: str | None) -> dict[str, str]:
    values: dict[str, str | None] = {
        "grant_type": "authorization_code",
        "client_id": client_id,
        "code": code,
        "redirect_uri": REDIRECT_URI,
        "code_verifier": verifier,
    }
    return {name: value for name, value in (values | changed).items() if value is not None}
