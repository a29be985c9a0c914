"""Every way a request can fail, as one tree; the only table of status and FHIR issue code.

    FhirError
    ├── BadRequest 400           ├── Conflict 409
    │   └── Malformed 400        ├── Gone 410
    ├── Unauthenticated 401      ├── PreconditionFailed 412
    ├── Forbidden 403            ├── TooLarge 413
    ├── NotFound 404             ├── UnsupportedMediaType 415
    ├── MethodNotAllowed 405     ├── Unprocessable 422
    ├── NotAcceptable 406        ├── InternalError 500
    ├── TimedOut 408             ├── TooCostly 503
    └────────────────────────────┴── Unavailable 503

Raise the narrowest class, with a text the caller can act on and a FHIRPath ``expression``. Several
findings travel in one error (``issues``), so that a caller mends everything in one round.

Source: https://hl7.org/fhir/R4/operationoutcome.html, https://hl7.org/fhir/R4/valueset-issue-type.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Issue:
    """One finding, as it appears in ``OperationOutcome.issue``.

    ``text`` must never repeat the value that was sent: it may be protected health information.
    ``rule`` is the identifier of a rule of the therapy, for instance ``RX-1``.
    """

    code: str
    text: str
    expression: str | None = None
    severity: str = "error"
    rule: str | None = None


class FhirError(Exception):
    """The request could not be completed."""

    status = 400
    code = "processing"

    def __init__(
        self,
        text: str | None = None,
        *,
        expression: str | None = None,
        issues: Sequence[Issue] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        text = text or type(self).__doc__ or ""
        self.issues = tuple(issues) or (Issue(self.code, text, expression),)
        self.headers = dict(headers or {})
        self.parameters: tuple[str, ...] = ()
        """Names of search parameters that were asked for, where the log has to tell them."""
        super().__init__(self.issues[0].text)


class BadRequest(FhirError):
    """The request is not understood."""

    code = "invalid"


class Malformed(BadRequest):
    """The content is not a well-formed FHIR resource."""

    code = "structure"


class Unauthenticated(FhirError):
    """A valid access token is required."""

    status = 401
    code = "login"


class Forbidden(FhirError):
    """This access token does not allow the request."""

    status = 403
    code = "forbidden"


class NotFound(FhirError):
    """There is no such resource."""

    status = 404
    code = "not-found"


class MethodNotAllowed(FhirError):
    """This method is not offered here."""

    status = 405
    code = "not-supported"


class NotAcceptable(FhirError):
    """The requested format is not offered; use application/fhir+json or application/fhir+xml."""

    status = 406
    code = "not-supported"


class TimedOut(FhirError):
    """The request took too long to arrive; send its body faster."""

    status = 408
    code = "timeout"


class Conflict(FhirError):
    """The request conflicts with what is stored."""

    status = 409
    code = "conflict"


class Gone(FhirError):
    """The resource was deleted."""

    status = 410
    code = "deleted"


class PreconditionFailed(FhirError):
    """The resource is not in the state that the request requires."""

    status = 412
    code = "conflict"


class TooLarge(FhirError):
    """The content is larger than this server accepts."""

    status = 413
    code = "too-long"


class UnsupportedMediaType(FhirError):
    """The content type is not accepted; send application/fhir+json or application/fhir+xml in UTF-8."""

    status = 415
    code = "not-supported"


class Unprocessable(FhirError):
    """The resource breaks a rule of this server."""

    status = 422
    code = "business-rule"


class InternalError(FhirError):
    """The server failed; nothing was stored. Report the request id to the operator."""

    status = 500
    code = "exception"


class Unavailable(FhirError):
    """The server cannot answer at the moment; try again shortly."""

    status = 503
    code = "transient"


class TooCostly(FhirError):
    """The request takes more work than this server allows; narrow it."""

    status = 503
    code = "too-costly"
