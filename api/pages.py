"""The pages of the authorization endpoint: sign in, choose a patient, allow or deny.

    GET  /oauth/authorize   the next page for this request in this browser
    POST /oauth/authorize   the same request by form: answered with a redirect to GET, because the
                            browser sends the session cookie (SameSite=Lax) with that
    POST /oauth/sign-in     /oauth/consent     /oauth/sign-out     forms of our own pages only

Every form carries a token made from the browser's cookie; nothing is loaded from elsewhere, no script runs.
Source: https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html
"""

from __future__ import annotations

import hmac
import secrets
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from authlib.oauth2 import OAuth2Error
from jinja2 import Environment, FileSystemLoader
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from api.oauth_http import NO_STORE, authorization, form_body, sent
from service.oauth import credentials, launch, sign_in
from service.oauth.consent_text import sentence
from service.oauth.launch import AskConsent, AskPatient, AskSignIn, Refusal, Step
from service.oauth.requests import Answer, parameters
from service.oauth.sign_in import SignInRefused, TooManySignIns

COOKIE = "kat_session"
_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, trim_blocks=True
)
_TEMPLATES.globals["sentence"] = sentence
_PAGES = {
    AskSignIn: "sign_in.html",
    AskPatient: "patient.html",
    AskConsent: "consent.html",
    Refusal: "refusal.html",
}

_WRONG = "The login or the password is wrong."
_TOO_MANY = "There were too many attempts. Wait 15 minutes, then try again."
_STALE = Refusal("The page is too old, or your browser does not accept cookies.", 403)
_UNREADABLE = Refusal("The form cannot be read.")


async def authorize(request: Request) -> Response:
    """Show the next page, or go back to the app."""
    if request.method == "POST":
        body = await form_body(request)
        return body if isinstance(body, Response) else _again(_text(body))
    query = request.scope["query_string"]
    step = await launch.step(authorization(request), query, request.cookies.get(COOKIE))
    return _page(request, step, _text(query))


async def sign_in_form(request: Request) -> Response:
    """Check login and password, then go on with the request."""
    form = await _form(request)
    if isinstance(form, Response):
        return form
    server, now = authorization(request), authorization(request).clock()
    login, address = form.get("login", ""), request.client.host if request.client else ""
    try:
        async with server.transaction() as session:
            await sign_in.count_attempt(session, login, address, now)
        async with server.transaction() as session:
            secret = await sign_in.sign_in(session, login, form.get("password", ""), address, now)
    except SignInRefused:
        return await _sign_in_again(request, form, _WRONG, 401)
    except TooManySignIns:
        return await _sign_in_again(request, form, _TOO_MANY, 429)
    response = _again(form.get("request", ""))
    _set_cookie(request, response, secret)
    return response


async def consent_form(request: Request) -> Response:
    """Take the choice of a patient or the decision, and go on."""
    form = await _form(request)
    if isinstance(form, Response):
        return form
    query = form.get("request", "")
    step = await launch.step(authorization(request), query.encode(), request.cookies.get(COOKIE), form)
    return _page(request, step, query)


async def sign_out_form(request: Request) -> Response:
    """End the browser's session and ask for another login."""
    form = await _form(request)
    if isinstance(form, Response):
        return form
    async with authorization(request).transaction() as session:
        await sign_in.sign_out(session, request.cookies.get(COOKIE, ""))
    response = _again(form.get("request", ""))
    response.delete_cookie(COOKIE, path="/oauth")
    return response


async def _form(request: Request) -> dict[str, str] | Response:
    body = await form_body(request)
    if isinstance(body, Response):
        return body
    try:
        form = parameters(body)
    except OAuth2Error:
        return _page(request, _UNREADABLE, "")
    expected = _form_token(request.cookies.get(COOKIE, ""))
    if not request.cookies.get(COOKIE) or not hmac.compare_digest(form.get("form_token", ""), expected):
        return _page(request, _STALE, "")
    return form


async def _sign_in_again(request: Request, form: dict[str, str], problem: str, status: int) -> Response:
    query = form.get("request", "")
    step = await launch.step(authorization(request), query.encode(), None)
    return _page(request, step, query, problem=problem, status=status)


def _page(request: Request, step: Step, query: str, *, problem: str = "", status: int = 200) -> Response:
    if isinstance(step, Answer):
        return sent(step)
    # A browser without a session gets a random cookie too: the sign-in form is tied to it.
    browser = request.cookies.get(COOKIE) or credentials.new_secret()
    nonce = secrets.token_urlsafe(16)
    html = _TEMPLATES.get_template(_PAGES[type(step)]).render(
        step=step, request=query, problem=problem, nonce=nonce, form_token=_form_token(browser)
    )
    if isinstance(step, Refusal):
        status = step.status
    response = HTMLResponse(html, status, _headers(nonce, step))
    if COOKIE not in request.cookies:
        _set_cookie(request, response, browser)
    return response


def _headers(nonce: str, step: Step) -> dict[str, str]:
    # Browsers apply form-action to the redirect that follows a form, hence the app's own address.
    target = f" {_source(step.redirect_uri)}" if isinstance(step, AskConsent) else ""
    policy = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; form-action 'self'{target}; "
        "frame-ancestors 'none'; base-uri 'none'"
    )
    return NO_STORE | {
        "Content-Security-Policy": policy,
        "X-Frame-Options": "DENY",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }


def _source(redirect_uri: str) -> str:
    parts = urlsplit(redirect_uri)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else f"{parts.scheme}:"


def _form_token(browser: str) -> str:
    return credentials.form_token(browser, "form")


def _set_cookie(request: Request, response: Response, value: str) -> None:
    secure = authorization(request).settings.base_url.startswith("https:")
    response.set_cookie(COOKIE, value, path="/oauth", httponly=True, samesite="lax", secure=secure)


def _again(query: str) -> Response:
    """Go on with the request; it is decoded and encoded anew, so that it stays a query of our own page."""
    try:
        values = parameters(query.encode())
    except OAuth2Error:
        values = {}
    return RedirectResponse(f"{launch.AUTHORIZE_PATH}?{urlencode(values)}", 303, NO_STORE)


def _text(query: bytes) -> str:
    return query.decode("ascii", "replace")


ROUTES = [
    Route("/oauth/authorize", authorize, methods=["GET", "POST"]),
    Route("/oauth/sign-in", sign_in_form, methods=["POST"]),
    Route("/oauth/consent", consent_form, methods=["POST"]),
    Route("/oauth/sign-out", sign_out_form, methods=["POST"]),
]
"""The routes of the pages."""
