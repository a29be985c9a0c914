"""What every request leaves behind: a request id, one log line without PHI, and metrics.

    X-Request-Id in (when usable) ─▶ scope state ─▶ … ─▶ X-Request-Id out, log line, counter and histogram
                 else one of ours, and X-Correlation-Id with the client's own goes out too

The route is a template (``read MedicationRequest``), never a path: paths hold ids.

Source: https://hl7.org/fhir/R4/http.html#custom
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from api.deps import request_id
from api.wire import failure
from models.errors import InternalError
from service import logs, metrics

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEADER = b"x-request-id"
_ORIGINAL = b"x-correlation-id"
_ECHOED = re.compile(rb"[\x21-\x7e](?:[\x20-\x7e]{0,254}[\x21-\x7e])?")
"""An id of the client's that goes back as it is."""
_UNROUTED = "none"


class Observe:
    """Outermost middleware; also the last resort when something unforeseen is raised."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._log = logs.logger()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sent = next((value for name, value in scope["headers"] if name == _HEADER), b"")
        identity = request_id(sent.decode("latin-1"))
        state = scope.setdefault("state", {})
        state["request_id"] = identity
        told = _told(sent, identity.encode())
        started = time.perf_counter()
        status = 0

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *told]
            await send(message)

        try:
            await self._app(scope, receive, observed)
        except Exception as error:  # noqa: BLE001 - the outermost handler: told by type and place, answered as 500
            self._log.exception("request failed", exc_info=error, request_id=identity)
            if status == 0:
                await failure(InternalError(), scope)(scope, receive, observed)
        finally:
            elapsed_s = time.perf_counter() - started
            route = state.get("route", _UNROUTED)
            metrics.observe(scope["method"], route, status, elapsed_s)
            self._log.info(
                "request answered",
                request_id=identity,
                method=scope["method"],
                route=route,
                status=status,
                duration_ms=round(elapsed_s * 1000, 2),
                client_id=state.get("client_id"),
            )


def _told(sent: bytes, identity: bytes) -> list[tuple[bytes, bytes]]:
    """Name the request in the answer, and beside it what its sender called it where that is another name."""
    is_replaced = sent != identity and _ECHOED.fullmatch(sent)
    return [(_HEADER, identity), *([(_ORIGINAL, sent)] if is_replaced else [])]
