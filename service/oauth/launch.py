"""The authorization endpoint: what the person at the browser is asked next.

    request wrong ─▶ Refusal (page) or Answer (redirect to the app with an error)
    not signed in ─▶ AskSignIn
    staff, patient scopes, no patient yet ─▶ AskPatient
    otherwise ─▶ AskConsent ─▶ allow or deny ─▶ Answer (redirect to the app)

The original request travels with every page and is checked again at every step, so that no page can be
talked into anything that the first check would have refused.
Source: https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749.errors import AccessDeniedError
from sqlalchemy.ext.asyncio import AsyncSession

from models.oauth import OAuthUser
from models.principal import Role
from service.access import scopes
from service.oauth import patients, sign_in
from service.oauth.authorization import Authorization
from service.oauth.patients import PatientChoice
from service.oauth.requests import Answer, OAuthRequest
from service.oauth.server import Decision, Server, error_answer
from service.oauth.sign_in import SignedIn

AUTHORIZE_PATH = "/oauth/authorize"
MAX_QUERY_BYTES = 8_192
PICKING_ROLES = frozenset({Role.THERAPIST, Role.COACH, Role.ADMIN})
"""Who works in the practice and may name the patient. Outside prescribers see no list of patients."""

FRESH_SIGN_IN = timedelta(minutes=1)
"""How recent a sign-in must be for an app that asks for a new one (``prompt=login``)."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The request cannot be answered to the app; the person reads why."""

    text: str
    status: int = 400


@dataclass(frozen=True, slots=True)
class AskSignIn:
    """Nobody is signed in in this browser."""

    app: str


@dataclass(frozen=True, slots=True)
class AskPatient:
    """The app works on one patient, whom the signed-in person names."""

    app: str
    user: OAuthUser
    choices: tuple[PatientChoice, ...]


@dataclass(frozen=True, slots=True)
class AskConsent:
    """The person sees what the app asks for and may take parts of it away."""

    app: str
    user: OAuthUser
    offered: tuple[str, ...]
    patient: PatientChoice | None
    redirect_uri: str


Step = Answer | Refusal | AskSignIn | AskPatient | AskConsent


@dataclass(frozen=True, slots=True)
class _Checked:
    app: str
    scope: str
    redirect_uri: str
    prompt: frozenset[str]


async def step(
    authorization: Authorization, query: bytes, browser: str | None, form: Mapping[str, str] | None = None
) -> Step:
    """Return what comes next for this authorization request in this browser.

    Args:
        authorization: the authorization server.
        query: the original request, URL-encoded.
        browser: the secret of the browser's session, if it sent one.
        form: what the person filled in on the last page.
    """
    try:
        if len(query) > MAX_QUERY_BYTES:
            return Refusal("The authorization request is too long.")
        request = authorization.request("GET", AUTHORIZE_PATH, query, {})
        async with authorization.transaction() as session:
            checked = await authorization.run(session, lambda server: _check(server, request))
            person = await sign_in.signed_in(session, browser, authorization.clock())
            if person is None or _wants_new_sign_in(checked, person, authorization):
                return _redirected("login_required", request, checked) or AskSignIn(checked.app)
            asked = await _ask(session, checked, person.user, form or {})
            if not isinstance(asked, AskConsent) or "decision" not in (form or {}):
                return _redirected("interaction_required", request, checked) or asked
            decision = _decision(asked, person, form or {})
            return await authorization.run(session, lambda server: _decide(server, request, decision))
    except OAuth2Error as error:
        return error_answer(error) if error.redirect_uri else Refusal(error_answer(error).text)


def _check(server: Server, request: OAuthRequest) -> _Checked:
    grant = server.get_consent_grant(request)
    prompt = frozenset(request.payload.data.get("prompt", "").split())
    return _Checked(request.client.row.name, request.scope, grant.redirect_uri, prompt)


def _wants_new_sign_in(checked: _Checked, person: SignedIn, authorization: Authorization) -> bool:
    return "login" in checked.prompt and person.since < authorization.clock() - FRESH_SIGN_IN


def _redirected(code: str, request: OAuthRequest, checked: _Checked) -> Answer | None:
    """Return the error for an app that wants no page shown; there is no answer without one."""
    if "none" not in checked.prompt:
        return None
    error = OAuth2Error(error=code, description="The user must be asked first.")
    error.redirect_uri, error.state = checked.redirect_uri, request.payload.state
    return error_answer(error)


async def _ask(
    session: AsyncSession, checked: _Checked, user: OAuthUser, form: Mapping[str, str]
) -> AskConsent | AskPatient | Refusal:
    offered = tuple(checked.scope.split())
    consent = AskConsent(checked.app, user, offered, None, checked.redirect_uri)
    if user.role == Role.PATIENT and user.fhir_user and user.fhir_user.startswith("Patient/"):
        own = await patients.find(session, user.fhir_user.removeprefix("Patient/"))
        return replace(consent, patient=own) if own else Refusal("Your record is not here yet.", 403)
    if not any(_needs_patient(word) for word in offered):
        return consent
    if user.role not in PICKING_ROLES:
        offered = tuple(word for word in offered if not _needs_patient(word))
        return (
            replace(consent, offered=offered)
            if scopes.parse(" ".join(offered))
            else Refusal("This app works on one patient at a time, which your role does not allow.", 403)
        )
    patient = await patients.find(session, form["patient"]) if "patient" in form else None
    if patient is not None:
        return replace(consent, patient=patient)
    choices = await patients.search(session, form.get("patient_search", ""))
    return AskPatient(checked.app, user, tuple(choices))


def _needs_patient(word: str) -> bool:
    return word == "launch/patient" or word.startswith("patient/")


def _decision(asked: AskConsent, person: SignedIn, form: Mapping[str, str]) -> Decision | None:
    ticked = [word for number, word in enumerate(asked.offered) if f"scope-{number}" in form]
    if form.get("decision") != "allow" or not ticked:
        return None
    patient = asked.patient.id if asked.patient else None
    return Decision(person.user, person.since, " ".join(ticked), patient)


def _decide(server: Server, request: OAuthRequest, decision: Decision | None) -> Answer:
    server.decision = decision
    grant = server.get_consent_grant(request)
    if decision is None:
        raise AccessDeniedError(redirect_uri=grant.redirect_uri, state=request.payload.state)
    answer: Answer = server.create_authorization_response(request, grant_user=decision.user, grant=grant)
    return answer
