"""The patient in the context of a launch (CONFORMANCE E9): one's own, or chosen by the practice's staff."""

from __future__ import annotations

from uuid import uuid4

import pytest
from oauth_kit import code_form, returned


async def exchange(http, form, **options):
    return await http.post("/oauth/token", data=form, **options)


async def test_a_patient_opens_their_own_record_without_choosing(http, browser, registry, tokens):
    patient = await registry.patient()
    scope = "launch/patient patient/*.rs"
    app = await registry.app(scope, kind="patient-app")
    user = await registry.user("patient", f"Patient/{patient}")
    code = await browser.code(app["client_id"], scope, user["login"])
    body = (await exchange(http, code_form(app["client_id"], code, browser.verifier))).json()
    assert (body["patient"], body["scope"]) == (patient, scope)
    assert (await tokens.verify(body["access_token"])).patient == patient


async def test_a_patient_cannot_choose_another_patient(http, browser, registry):
    own, other = await registry.patient(), await registry.patient()
    app = await registry.app("patient/*.rs", kind="patient-app")
    user = await registry.user("patient", f"Patient/{own}")
    page = await browser.sign_in(await browser.open(app["client_id"], "patient/*.rs"), user["login"])
    values = {"decision": "allow", "scope-0": "on", "patient": other}
    response = await browser.submit(page, "/oauth/consent", **values)
    form = code_form(app["client_id"], returned(response)["code"], browser.verifier)
    assert (await exchange(http, form)).json()["patient"] == own


@pytest.mark.parametrize("by", ["the beginning of a name", "a record number"])
async def test_a_therapist_finds_a_patient_by(http, browser, registry, by):
    family = f"Zz{uuid4().hex}"
    patient = await registry.patient(family)
    text = f"MRN-{family}" if by == "a record number" else family[:12].upper()
    app, user = await registry.app("launch/patient patient/*.rs"), await registry.user()
    page = await browser.sign_in(await browser.open(app["client_id"], "patient/*.rs"), user["login"])
    assert "Choose a patient" in page.text
    found = await browser.submit(page, "/oauth/consent", patient_search=text)
    assert found.text.count('class="choice"') == 1
    consent = await browser.submit(found, "/oauth/consent", patient=patient)
    assert family in consent.text
    response = await browser.allow(consent)
    form = code_form(app["client_id"], returned(response)["code"], browser.verifier)
    assert (await exchange(http, form)).json()["patient"] == patient


async def test_a_patient_without_a_name_can_be_chosen(browser, registry):
    await registry.patient("")
    app, user = await registry.app("patient/*.rs"), await registry.user()
    page = await browser.sign_in(await browser.open(app["client_id"], "patient/*.rs"), user["login"])
    assert "(no name), born 1980-02-03" in page.text


async def test_a_token_with_a_patient_says_so_when_it_is_introspected(http, browser, registry):
    patient = await registry.patient()
    app, user = await registry.app("patient/*.rs", secret=True), await registry.user("admin", None)
    code = await browser.code(app["client_id"], "patient/*.rs", user["login"], patient=patient)
    form = code_form(app["client_id"], code, browser.verifier) | app
    token = (await exchange(http, form)).json()["access_token"]
    body = (await http.post("/oauth/introspect", data=app | {"token": token})).json()
    assert (body["patient"], "fhirUser" in body) == (patient, False)


async def test_a_patient_that_does_not_exist_cannot_be_chosen(browser, registry):
    app, user = await registry.app("patient/*.rs"), await registry.user()
    page = await browser.sign_in(await browser.open(app["client_id"], "patient/*.rs"), user["login"])
    again = await browser.submit(
        page, "/oauth/consent", patient="unknown", decision="allow", **{"scope-0": "on"}
    )
    assert "Choose a patient" in again.text


async def test_an_outside_prescriber_sees_no_list_of_patients(browser, registry):
    await registry.patient()
    app, user = await registry.app("patient/*.rs"), await registry.user("prescriber", "Practitioner/rx")
    page = await browser.sign_in(await browser.open(app["client_id"], "patient/*.rs"), user["login"])
    assert page.status_code == 403
    assert 'class="choice"' not in page.text
