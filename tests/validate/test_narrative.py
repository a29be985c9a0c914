"""Narrative shows text and does nothing else: https://hl7.org/fhir/R4/narrative.html#xhtml."""

from __future__ import annotations

import pytest

from service.validate import check

START = '<div xmlns="http://www.w3.org/1999/xhtml">'


def found(div: str) -> list[tuple[str, str | None, str]]:
    patient = {"resourceType": "Patient", "text": {"status": "generated", "div": div}}
    return [(issue.code, issue.expression, issue.text[-7:]) for issue in check(patient, "Patient")]


@pytest.mark.parametrize(
    "inside",
    [
        "<script>alert(1)</script>",
        "<p onclick='alert(1)'>x</p>",
        "<img src='https://example.org/pixel.png' alt='x'/>",
        "<img src='x' onerror='alert(1)'/>",
        "<img src='data:image/svg+xml;base64,QUJD'/>",
        "<a href='javascript:alert(1)'>x</a>",
        "<a href=' java&#10;script:alert(1)'>x</a>",
        "<a href='data:text/html,x'>x</a>",
        "<p style='background:url(https://example.org/x)'>x</p>",
        "<p style='width:expression(alert(1))'>x</p>",
        "<p style='background:u\\72l(x)'>x</p>",
        "<iframe src='https://example.org'/>",
        "<object data='x'/>",
        "<form><input name='x'/></form>",
        "<style>p {}</style>",
        "<svg><script/></svg>",
        "<base href='https://example.org'/>",
        "<p>x",
        "<P>x</P>",
        "x</div><div>y",
        "<?php x ?>",
        "&undefined;",
        "<x:script xmlns:x='http://www.w3.org/1999/xhtml'>alert(1)</x:script>",
    ],
)
def test_active_external_or_broken_content_is_refused(inside: str) -> None:
    assert found(f"{START}{inside}</div>") == [("invariant", "Patient.text.div", "(txt-1)")]


@pytest.mark.parametrize(
    "div",
    [
        "text",
        "<p xmlns='http://www.w3.org/1999/xhtml'>x</p>",
        "<div>x</div>",
        "<div xmlns='http://example.org'>x</div>",
        f"<?xml version='1.0'?>{START}x</div>",
        "<!DOCTYPE div [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]>" + START + "&b;</div>",
    ],
)
def test_what_is_not_one_xhtml_div_is_refused(div: str) -> None:
    assert found(div) == [("invariant", "Patient.text.div", "(txt-1)")]


def test_a_div_that_shows_nothing_is_refused() -> None:
    assert found(f"{START} <p> </p></div>") == [("invariant", "Patient.text.div", "(txt-2)")]


@pytest.mark.parametrize(
    "inside",
    [
        "plain text",
        "<h1>Session 3</h1><p>It was <b>calm</b>.<br/>&nbsp;&copy; &lt;b&gt;</p>",
        "<table border='1'><tr><th colspan='2'>a</th><td style='color: red'>c</td></tr></table>",
        "<ul class='x'><li><a href='https://example.org/a?b=c'>a</a><a href='#x'>b</a></li></ul>",
        "<a href='Patient/1'>the patient</a>",
        "<img src='#picture' alt='a picture'/>",
        "<img src='data:image/png;base64,QUJD' alt='a picture'/>",
        "<!-- a remark --> text",
    ],
)
def test_text_for_people_is_accepted(inside: str) -> None:
    assert found(f"{START}{inside}</div>") == []
