"""SMART App Launch on the wire: discovery, the OAuth endpoints, and the routes of their pages.

    GET  /fhir/.well-known/smart-configuration   GET /.well-known/openid-configuration   GET /oauth/jwks
    POST /oauth/token  /oauth/revoke  /oauth/introspect
    GET, POST /oauth/authorize   POST /oauth/sign-in  /oauth/consent  /oauth/sign-out    (api/pages.py)

Errors of the OAuth endpoints are those of RFC 6749, section 5.2, not OperationOutcomes.
Source: https://hl7.org/fhir/smart-app-launch/STU2.2/
"""

from __future__ import annotations

from functools import partial

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from api import pages
from api.oauth_http import authorization, form_body, sent
from service.oauth import discovery

DISCOVERY_MAX_AGE_S = 300


async def smart_configuration(request: Request) -> Response:
    """Tell SMART clients where to go, whatever they accept (requirement D1)."""
    return _public(discovery.smart_configuration(authorization(request).settings.base_url))


async def openid_configuration(request: Request) -> Response:
    """Tell OpenID Connect clients where to go."""
    return _public(discovery.openid_configuration(authorization(request).settings.base_url))


async def jwks(request: Request) -> Response:
    """Publish the keys that id_tokens and access tokens are verified with."""
    return _public(await authorization(request).tokens.keys.public_key_set())


async def token(request: Request) -> Response:
    """Issue tokens."""
    return await _answer(request, "token")


async def revoke(request: Request) -> Response:
    """End tokens."""
    return await _answer(request, "revoke")


async def introspect(request: Request) -> Response:
    """Tell what a token is good for."""
    return await _answer(request, "introspect")


async def _answer(request: Request, endpoint: str) -> Response:
    body = await form_body(request)
    if isinstance(body, Response):
        return body
    perform = getattr(authorization(request), endpoint)
    return sent(await perform(body, dict(request.headers)))


def _public(document: dict[str, object]) -> Response:
    return JSONResponse(document, headers={"Cache-Control": f"public, max-age={DISCOVERY_MAX_AGE_S}"})


_get = partial(Route, methods=["GET"])
_post = partial(Route, methods=["POST"])

ROUTES = [
    _get("/fhir/.well-known/smart-configuration", smart_configuration),
    _get("/.well-known/openid-configuration", openid_configuration),
    _get("/oauth/jwks", jwks),
    _post("/oauth/token", token),
    _post("/oauth/revoke", revoke),
    _post("/oauth/introspect", introspect),
    *pages.ROUTES,
]
"""Every route of SMART; the application adds them to its own."""
