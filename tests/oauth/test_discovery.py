"""Discovery documents (CONFORMANCE D), and hostile requests to every OAuth endpoint."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oauth_kit import BASE_URL

ENDPOINTS = ("token", "revoke", "introspect", "authorize", "sign-in", "consent", "sign-out")
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize("accept", ["application/fhir+json", "text/html", "application/json", "*/*"])
async def test_smart_discovery_is_json_whatever_is_accepted(http, accept):
    response = await http.get("/fhir/.well-known/smart-configuration", headers={"Accept": accept})
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("application/json")


async def test_smart_discovery_names_what_the_specification_demands(http):
    document = (await http.get("/fhir/.well-known/smart-configuration")).json()
    for name in ("issuer", "jwks_uri", "authorization_endpoint", "token_endpoint", "introspection_endpoint"):
        assert document[name].startswith(BASE_URL)
    assert {"authorization_code", "client_credentials"} <= set(document["grant_types_supported"])
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert "private_key_jwt" in document["token_endpoint_auth_methods_supported"]
    assert document["token_endpoint_auth_signing_alg_values_supported"] == ["RS384", "ES384"]
    assert {"sso-openid-connect", "client-confidential-asymmetric"} <= set(document["capabilities"])
    resource_scope = re.compile(r"^(patient|user|system|\*)/[A-Za-z*]+\.[cruds]+(\?.*)?$")
    assert any(resource_scope.match(scope) for scope in document["scopes_supported"])


async def test_every_endpoint_that_discovery_names_exists(http):
    document = (await http.get("/fhir/.well-known/smart-configuration")).json()
    for name, url in document.items():
        if name.endswith("_endpoint"):
            response = await http.post(url)
            assert response.status_code not in {404, 405, 500}, name


async def test_openid_discovery_agrees_with_the_key_set(http):
    document = (await http.get("/.well-known/openid-configuration")).json()
    assert document["issuer"] == BASE_URL
    assert document["id_token_signing_alg_values_supported"] == ["RS256"]
    assert document["subject_types_supported"] == ["public"]
    keys = (await http.get(document["jwks_uri"])).json()["keys"]
    assert {key["kty"] for key in keys} == {"RSA"}


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_another_content_type_is_refused(http, endpoint):
    for content_type in ("application/json", "", "multipart/form-data; boundary=x"):
        headers = {"Content-Type": content_type}
        response = await http.post(f"/oauth/{endpoint}", content=b"{}", headers=headers)
        assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_an_endless_body_is_refused(http, endpoint):
    response = await http.post(f"/oauth/{endpoint}", content=b"a=" + b"x" * 70_000, headers=FORM)
    assert (response.status_code, response.json()["error"]) == (413, "invalid_request")


BROKEN = {
    "not UTF-8": b"grant_type=%ff%fe",
    "raw bytes": b"grant_type=\xff",
    "a NUL": b"grant_type=client_credentials&client_id=a%00b",
    "a lone surrogate": b"grant_type=%ed%a0%80",
    "a repeated parameter": b"grant_type=client_credentials&grant_type=password",
    "a thousand parameters": b"&".join(b"p%d=1" % number for number in range(1000)),
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("endpoint", ["token", "revoke", "introspect"])
async def test_a_form_is_refused_that_has(http, endpoint, body):
    response = await http.post(f"/oauth/{endpoint}", content=body, headers=FORM)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


WORDS = (
    "grant_type client_id client_secret client_assertion client_assertion_type scope code redirect_uri "
    "code_verifier refresh_token token response_type aud state code_challenge code_challenge_method launch "
    "nonce prompt request form_token login password patient decision scope-0 odd"
)
NAMES = st.sampled_from(WORDS.split())
VALUES = st.one_of(
    st.sampled_from(
        ["client_credentials", "authorization_code", "refresh_token", "code", "S256", "system/*.rs"]
    ),
    st.text(max_size=40),
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    endpoint=st.sampled_from(ENDPOINTS),
    values=st.dictionaries(NAMES, VALUES, max_size=8),
    authorization=st.one_of(st.none(), st.binary(max_size=30).filter(lambda text: b"\n" not in text)),
    method=st.sampled_from(["POST", "GET"]),
)
async def test_no_request_makes_the_server_fail(http, endpoint, values, authorization, method):
    values = {name: value.encode("utf-8", "surrogatepass") for name, value in values.items()}
    headers = {"Authorization": b"Basic " + authorization} if authorization is not None else {}
    if method == "POST":
        response = await http.post(f"/oauth/{endpoint}", data=values, headers=headers)
    else:
        response = await http.get("/oauth/authorize", params=values, headers=headers)
    assert response.status_code < 500
