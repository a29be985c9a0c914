"""Between Starlette and the authorization server: bodies in, answers out, one server a process."""

from __future__ import annotations

from asyncio import timeout

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from api import deps
from service.oauth.authorization import Authorization
from service.oauth.requests import MAX_BODY_BYTES, Answer

FORM = "application/x-www-form-urlencoded"
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


def authorization(request: Request) -> Authorization:
    """Return the authorization server of this process, made on first use."""
    known = request.app.state.services
    found: Authorization | None = getattr(request.app.state, "authorization", None)
    if found is None or found.tokens is not known.tokens:
        found = Authorization(known.database, known.settings, known.tokens)
        request.app.state.authorization = found
    return found


async def form_body(request: Request) -> bytes | Response:
    """Return the bytes of a form, or the refusal to send back."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != FORM:
        return refusal(400, f"The content type must be {FORM}.")
    body = bytearray()
    try:
        async with timeout(deps.IDLE_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    return refusal(413, f"The form is larger than {MAX_BODY_BYTES} bytes.")
    except ClientDisconnect:
        return refusal(400, "The form ended before it was whole.")
    except TimeoutError:
        late = refusal(408, "The form took too long to arrive.")
        late.headers["Connection"] = "close"
        return late
    return bytes(body)


def refusal(status: int, description: str) -> Response:
    """Return an ``invalid_request`` of RFC 6749."""
    error = {"error": "invalid_request", "error_description": description}
    return JSONResponse(error, status, NO_STORE)


def sent(answer: Answer) -> Response:
    """Return an answer of the authorization server as HTTP; none of them may be stored."""
    kept = {name: value for name, value in answer.headers if name.lower() != "content-type"} | NO_STORE
    if isinstance(answer.body, dict):
        return JSONResponse(answer.body, answer.status, kept)
    return Response(answer.body, answer.status, kept)
