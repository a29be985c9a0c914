"""The contract for people and for programs, without internet.

    GET /openapi.yaml, /openapi.json    the contract itself              (api/openapi.py)
    GET /docs                           Swagger UI, served from this process

The scripts and styles are those of the package ``fastapi-swagger``, which carries each release of Swagger
UI; nothing is loaded from anywhere else, which the Content-Security-Policy also says.
"""

from __future__ import annotations

from functools import cache, lru_cache
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api import compression, openapi
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
    "Vary": "Accept-Encoding",
}

_PAGE = b"""<!doctype html>
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

_START = b"""SwaggerUIBundle({
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


async def page(request: Request) -> Response:
    """Show the contract."""
    return _answer(request, _PAGE, "text/html; charset=utf-8")


async def start(request: Request) -> Response:
    """Give the script that starts Swagger UI."""
    return _answer(request, _START, "text/javascript; charset=utf-8")


async def script(request: Request) -> Response:
    """Give Swagger UI."""
    return _answer(request, _asset("swagger-ui-bundle.js"), "text/javascript; charset=utf-8")


async def styles(request: Request) -> Response:
    """Give the styles of Swagger UI."""
    return _answer(request, _asset("swagger-ui.css"), "text/css; charset=utf-8")


async def as_yaml(request: Request) -> Response:
    """Give the contract as it is committed, but with this service's own origin."""
    return _answer(request, openapi.as_yaml(_origin(request)), "application/yaml")


async def as_json(request: Request) -> Response:
    """Give the contract as JSON."""
    return _answer(request, openapi.as_json(_origin(request)), "application/json")


def _answer(request: Request, content: bytes, content_type: str) -> Response:
    coding = compression.chosen(request.headers.get("accept-encoding"))
    headers = {**_HEADERS, "Content-Type": content_type}
    if coding is None or not coding.suits(content):
        return Response(content, headers=headers)
    headers["Content-Encoding"] = coding.name.value
    return Response(_coded_once(content, coding.name), headers=headers)


@lru_cache(maxsize=32)
def _coded_once(content: bytes, name: compression.Name) -> bytes:
    return compression.compressed(content, name)


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
