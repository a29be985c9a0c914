"""The contract for people and for programs, without internet.

    GET /openapi.yaml, /openapi.json    the contract itself              (api/openapi.py)
    GET /docs                           Swagger UI, served from this process

The scripts and styles are those of the package ``fastapi-swagger``, which carries each release of Swagger
UI; nothing is loaded from anywhere else, which the Content-Security-Policy also says.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api import openapi
from api.deps import services

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Swagger UI writes style attributes; it runs no inline script."""

_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "max-age=300",
}

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>KAT-FHIR: the contract</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<noscript>Without JavaScript, read <a href="/openapi.yaml">openapi.yaml</a>.</noscript>
<main id="docs"></main>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</html>
"""

_START = """SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#docs",
  docExpansion: "none",
  defaultModelsExpandDepth: -1,
  deepLinking: true,
  filter: true,
  validatorUrl: null,
});
"""


@cache
def _asset(name: str) -> bytes:
    return files("fastapi_swagger.resources").joinpath(name).read_bytes()


async def page(_request: Request) -> Response:
    """Show the contract."""
    return Response(_PAGE, media_type="text/html", headers=_HEADERS)


async def start(_request: Request) -> Response:
    """Give the script that starts Swagger UI."""
    return Response(_START, media_type="text/javascript", headers=_HEADERS)


async def script(_request: Request) -> Response:
    """Give Swagger UI."""
    return Response(_asset("swagger-ui-bundle.js"), media_type="text/javascript", headers=_HEADERS)


async def styles(_request: Request) -> Response:
    """Give the styles of Swagger UI."""
    return Response(_asset("swagger-ui.css"), media_type="text/css", headers=_HEADERS)


async def as_yaml(request: Request) -> Response:
    """Give the contract as it is committed, but with this service's own origin."""
    return Response(openapi.as_yaml(_origin(request)), media_type="application/yaml", headers=_HEADERS)


async def as_json(request: Request) -> Response:
    """Give the contract as JSON."""
    return Response(openapi.as_json(_origin(request)), media_type="application/json", headers=_HEADERS)


def _origin(request: Request) -> str:
    return services(request).settings.base_url


ROUTES = [
    Route("/docs", page, methods=["GET"]),
    Route("/docs/start.js", start, methods=["GET"]),
    Route("/docs/swagger-ui-bundle.js", script, methods=["GET"]),
    Route("/docs/swagger-ui.css", styles, methods=["GET"]),
    Route("/openapi.yaml", as_yaml, methods=["GET"]),
    Route("/openapi.json", as_json, methods=["GET"]),
]
"""The routes of the contract; the application adds them to its own."""
