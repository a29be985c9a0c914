"""The paths that are not FHIR: SMART discovery, OAuth, health, the contract itself.

Errors of the OAuth endpoints are those of RFC 6749, section 5.2. The pages that people see on the way
(sign in, consent) are forms of the authorization server's own and no part of the contract.

Source: https://hl7.org/fhir/smart-app-launch/STU2.2/, https://datatracker.ietf.org/doc/html/rfc6749
"""

from __future__ import annotations

from typing import Any

from api.openapi_responses import content, resource
from api.openapi_schemas import Schema, reference
from models.definitions import RESOURCE_TYPES
from service.oauth.discovery import GRANT_TYPES

Json = dict[str, Any]

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
_TEXT: Schema = {"type": "string"}
_WORD: Schema = {"type": "string", "pattern": r"^[^\u0000-\u001f\u007f]+$"}
_STRINGS: Schema = {"type": "array", "items": _TEXT}
_OBJECT: Schema = {"type": "object"}


def paths() -> dict[str, Json]:
    """Describe everything outside of the FHIR interactions."""
    return {
        "/fhir/.well-known/smart-configuration": _document(
            "smartConfiguration", "Discover the SMART endpoints", reference("SmartConfiguration")
        ),
        "/.well-known/openid-configuration": _document(
            "openidConfiguration", "Discover the OpenID Connect endpoints", reference("SmartConfiguration")
        ),
        "/oauth/jwks": _document("jwks", "Keys that tokens are verified with", reference("KeySet")),
        "/oauth/authorize": {"get": _authorize()},
        "/oauth/token": {"post": _token()},
        "/oauth/introspect": {"post": _introspect()},
        "/oauth/revoke": {"post": _revoke()},
        **_health(),
        **_contract(),
    }


def schemas() -> dict[str, Schema]:
    """Describe the bodies of OAuth."""
    key = {"type": "object", "required": ["kty", "kid"], "properties": {"kty": _TEXT, "kid": _TEXT}}
    return {
        "SmartConfiguration": _required(
            {
                "issuer": _TEXT,
                "jwks_uri": _TEXT,
                "authorization_endpoint": _TEXT,
                "token_endpoint": _TEXT,
                "grant_types_supported": _STRINGS,
                "scopes_supported": _STRINGS,
                "code_challenge_methods_supported": {"const": ["S256"]},
            }
        ),
        "KeySet": _required({"keys": {"type": "array", "items": key}}),
        "OAuthError": _required({"error": _TEXT}, error_description=_TEXT, error_uri=_TEXT),
        "TokenAnswer": _required(
            {
                "access_token": _TEXT,
                "token_type": {"const": "Bearer"},
                "expires_in": {"type": "integer", "minimum": 1, "maximum": 3600},
                "scope": _TEXT,
            },
            refresh_token=_TEXT,
            id_token=_TEXT,
            patient=reference("id"),
        ),
        "IntrospectionAnswer": _required({"active": {"type": "boolean"}}, scope=_TEXT, client_id=_TEXT),
    }


def security_schemes(origin: str) -> dict[str, Json]:
    """Describe how a request proves who sends it; OpenAPI wants the URLs absolute."""
    scopes = {
        "openid": "Who signed in.",
        "fhirUser": "The signed-in person's own resource.",
        "launch/patient": "Choose a patient at sign-in.",
        "offline_access": "Stay connected.",
        "system/*.cruds": "Everything the client may do; narrower scopes name a type and interactions.",
        **{
            f"system/{name}.cruds": f"Create, read, update, delete and search {name}."
            for name in RESOURCE_TYPES
        },
    }
    token = {"tokenUrl": f"{origin}/oauth/token", "scopes": scopes}
    flows = {
        "clientCredentials": token,
        "authorizationCode": {
            "authorizationUrl": f"{origin}/oauth/authorize",
            "refreshUrl": f"{origin}/oauth/token",
            **token,
        },
    }
    return {
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        "smart": {
            "type": "oauth2",
            "description": "SMART App Launch 2.2: Backend Services with private_key_jwt or a secret, or the "
            "authorization code flow with PKCE (S256). Scopes are context/Type.cruds?query, context being "
            "system, user or patient; those of version 1 are accepted.",
            "flows": flows,
        },
    }


def _required(required: Schema, **optional: Schema) -> Schema:
    return {"type": "object", "required": list(required), "properties": {**required, **optional}}


def _public(operation_id: str, summary: str, tag: str, responses: Json, **more: Any) -> Json:
    identity = {"operationId": operation_id, "summary": summary, "tags": [tag]}
    return {**identity, "security": [], **more, "responses": responses}


def _document(operation_id: str, summary: str, schema: Schema) -> Json:
    answer = {"description": "Found.", **content(schema, JSON)}
    return {"get": _public(operation_id, summary, "SMART", {"200": answer})}


def _form(required: Schema, **optional: Schema) -> Json:
    return {"required": True, **content(_required(required, **optional), FORM)}


def _errors(*statuses: int) -> Json:
    texts = {
        400: "The request is refused; error says why.",
        401: "The client has not proved who it is.",
        408: "The form came too slowly.",
        413: "The form is too large.",
        503: "The server cannot answer now.",
    }
    bodies = {status: content(reference("OAuthError"), JSON) for status in statuses}
    if 503 in statuses:  # noqa: PLR2004 - the status that the FHIR side answers for the whole service
        bodies[503] = resource(reference("OperationOutcome"))
    return {str(status): {"description": texts[status], **bodies[status]} for status in statuses}


def _token() -> Json:
    body = _form(
        {"grant_type": {"type": "string", "enum": list(GRANT_TYPES)}},
        scope=_WORD,
        code=_WORD,
        redirect_uri=_WORD,
        code_verifier=_WORD,
        refresh_token=_WORD,
        client_id=_WORD,
        client_secret=_WORD,
        client_assertion_type=_WORD,
        client_assertion=_WORD,
    )
    answers = {"200": {"description": "A token.", **content(reference("TokenAnswer"), JSON)}}
    return _public(
        "token", "Get an access token", "SMART", answers | _errors(400, 401, 408, 413, 503), requestBody=body
    )


def _introspect() -> Json:
    body = _form({"token": _WORD}, token_type_hint=_WORD, client_id=_WORD, client_secret=_WORD)
    answers = {
        "200": {
            "description": "What the token is good for.",
            **content(reference("IntrospectionAnswer"), JSON),
        }
    }
    responses = answers | _errors(400, 401, 408, 413, 503)
    return _public("introspect", "Ask what a token is good for", "SMART", responses, requestBody=body)


def _revoke() -> Json:
    body = _form({"token": _WORD}, token_type_hint=_WORD, client_id=_WORD, client_secret=_WORD)
    answers = {"200": {"description": "The token is of no use any more.", **content(_OBJECT, JSON)}}
    return _public(
        "revoke", "Give a token back", "SMART", answers | _errors(400, 401, 408, 413, 503), requestBody=body
    )


def _authorize() -> Json:
    names = {
        "response_type": True,
        "client_id": True,
        "redirect_uri": True,
        "scope": True,
        "state": True,
        "aud": True,
        "code_challenge": True,
        "code_challenge_method": True,
        "launch": False,
        "nonce": False,
        "prompt": False,
    }
    parameters = [
        {"name": name, "in": "query", "required": required, "schema": _WORD}
        for name, required in names.items()
    ]
    page = content(_TEXT, "text/html")
    responses = {
        "200": {"description": "The next page: sign in, choose a patient, allow or deny.", **page},
        "302": {"description": "Back to the app with a code or an error."},
        "303": {"description": "Back to the app with a code or an error."},
        "400": {"description": "The app or its redirect URI is unknown; told to the person.", **page},
        "503": {
            "description": "The server cannot answer now.",
            **resource(reference("OperationOutcome")),
        },
    }
    return _public("authorize", "Let a person sign in", "SMART", responses, parameters=parameters)


def _health() -> dict[str, Json]:
    state = content(_required({"status": _TEXT}, missing=_TEXT), JSON)
    live = {"200": {"description": "The process serves.", **state}}
    ready = {
        "200": {"description": "Requests can be served.", **state},
        "503": {"description": "The database is away or not migrated.", **state},
    }
    figures = {"200": {"description": "Prometheus' text format.", **content(_TEXT, "text/plain")}}
    return {
        "/health/live": {"get": _public("live", "Ask whether the process serves", "Operation", live)},
        "/health/ready": {"get": _public("ready", "Ask whether requests can be served", "Operation", ready)},
        "/metrics": {"get": _public("metrics", "Read the figures", "Operation", figures)},
    }


def _contract() -> dict[str, Json]:
    described = {"/openapi.yaml": "application/yaml", "/openapi.json": JSON, "/docs": "text/html"}
    return {
        path: {
            "get": _public(
                f"contract{path.rpartition('/')[2].partition('.')[2].capitalize() or 'Page'}",
                "Read this contract",
                "Operation",
                {"200": {"description": "The contract.", **content({}, media_type)}},
            )
        }
        for path, media_type in described.items()
    }
