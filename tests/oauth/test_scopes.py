"""The grammar of SMART scopes, and what may be granted."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.principal import Scope
from service.access.scopes import InvalidScope, check, granted, parse, render
from service.oauth.consent_text import sentence

# The regular expressions of Inferno's SMART and US Core test kits, as an independent opinion.
INFERNO_V2 = re.compile(r"^(patient|user|system)/[A-Za-z*]+\.c?r?u?d?s?(\?\S+)?$")


@pytest.mark.parametrize(
    "word",
    [
        "system/Patient.sr",
        "system/Patient.",
        "system/Patient.x",
        "system/Patient.rr",
        "system/Patient.reads",
        "system/patient.r",
        "System/Patient.r",
        "system/Patient",
        "system/Patient.r?",
        "system/Patient.r?category",
        "system/Patient.r?category=",
        "system/Patient.r?=x",
        "system/Patient.r?a=b&",
        "system/Patient.read?a=b",
        'system/Patient.r?a="b"',
        "system/Patient.r?a=b\\c",
        "system/Patient.r?a=é",
        "other/Patient.r",
        "system/P@tient.r",
        "patient//Patient.r",
        "openid",
    ],
)
def test_what_is_no_resource_scope_allows_nothing(word):
    assert parse(word) == ()


@pytest.mark.parametrize(
    ("word", "interactions"), [("read", "rs"), ("write", "cud"), ("*", "cruds"), ("rs", "rs"), ("c", "c")]
)
def test_v1_words_mean_their_v2_letters(word, interactions):
    assert parse(f"user/Observation.{word}") == (Scope("user", "Observation", frozenset(interactions)),)


def test_a_query_belongs_to_its_scope():
    text = "patient/Observation.rs?category=http://x.example/s|survey&status=final"
    assert parse(text)[0].query == "category=http://x.example/s|survey&status=final"


@pytest.mark.parametrize(
    ("requested", "allowed", "expected"),
    [
        ("system/Patient.r", "", ""),
        ("system/Patient.r", "system/Observation.r", ""),
        ("user/Patient.r", "system/Patient.r", ""),
        ("system/Patient.c", "system/Patient.rs", ""),
        ("openid", "system/*.cruds", ""),
        ("launch", "launch user/*.rs", ""),
        ("system/Patient.rs", "system/*.cruds", "system/Patient.rs"),
        ("system/Patient.read", "system/Patient.rs", "system/Patient.read"),
        ("system/Patient.*", "system/Patient.rs", "system/Patient.read"),
        ("system/Patient.*", "system/Patient.cr", "system/Patient.cr"),
        ("system/Patient.cruds", "system/Patient.rs", "system/Patient.rs"),
        ("system/Patient.rs", "system/Patient.r system/Patient.s", "system/Patient.rs"),
        ("system/*.rs", "system/Patient.r system/Group.s", "system/Patient.r system/Group.s"),
        ("system/*.read", "system/Patient.cruds", "system/Patient.read"),
        ("system/Xx.rs?a=1", "system/Xx.rs", "system/Xx.rs?a=1"),
        ("system/Xx.rs", "system/Xx.rs?a=1 system/Xx.r?b=2", "system/Xx.rs?a=1 system/Xx.r?b=2"),
        ("system/Xx.read", "system/Xx.rs?a=1", "system/Xx.rs?a=1"),
        ("system/Xx.rs?a=1", "system/Xx.rs?b=2", "system/Xx.rs?a=1&b=2"),
        ("system/Xx.rs?a=1&b=2", "system/Xx.rs?b=2", "system/Xx.rs?a=1&b=2"),
        ("system/Xx.r nonsense system/Xx.r", "system/Xx.r", "system/Xx.r"),
        ("openid fhirUser offline_access", "offline_access openid", "openid offline_access"),
    ],
)
def test_only_what_is_allowed_is_granted(requested, allowed, expected):
    assert " ".join(granted(requested, allowed)) == expected


def test_a_backend_service_is_granted_system_scopes_only():
    words = "openid patient/*.rs user/*.rs system/*.rs"
    assert granted(words, words, contexts={"system"}) == ("system/*.rs",)


@pytest.mark.parametrize(
    "text", ["", "system/Unknown.r", "system/Patient.sr", "anything", "system/Patient.r x"]
)
def test_a_client_cannot_be_registered_with(text):
    with pytest.raises(InvalidScope) as caught:
        check(text, {"Patient"})
    assert not text or text not in str(caught.value)


def test_registered_scopes_are_kept_once_each():
    text = "  openid launch  system/Patient.r system/*.rs system/Patient.r "
    assert check(text, {"Patient"}) == "openid launch system/Patient.r system/*.rs"


SCOPES = st.builds(
    Scope,
    context=st.sampled_from(["patient", "user", "system"]),
    resource_type=st.sampled_from(["*", "Patient", "Observation", "Group"]),
    interactions=st.frozensets(st.sampled_from("cruds"), min_size=1),
    query=st.sampled_from(["", "category=a", "category=s|a&status=final", "code=1,2"]),
)
TEXTS = st.lists(SCOPES, max_size=4).map(lambda scopes: " ".join(render(scope) for scope in scopes))


@given(SCOPES, st.booleans())
def test_a_rendered_scope_reads_back_the_same(scope, v1):
    assert parse(render(scope, v1=v1)) == (scope,)
    assert INFERNO_V2.match(render(scope))


@given(TEXTS, TEXTS)
def test_nothing_is_ever_granted_beyond_request_and_allowance(requested, allowed):
    for context in ("patient", "user", "system"):
        for kind in ("Patient", "Observation", "Group", "Task"):
            for letter in "cruds":
                result = permits(" ".join(granted(requested, allowed)), context, kind, letter)
                bounds = [permits(text, context, kind, letter) for text in (requested, allowed)]
                for record in RECORDS:
                    assert admits(result, record) == all(admits(bound, record) for bound in bounds)


RECORDS = [frozenset(), *({frozenset({a}) for a in ("category=a", "status=final", "code=1,2")})]
RECORDS += [frozenset({"category=a", "code=1,2"}), frozenset({"category=s|a", "status=final"})]


def permits(text, context, resource_type, letter):
    """Return the queries under which one interaction on one type is allowed."""
    return [
        frozenset(part for part in scope.query.split("&") if part)
        for scope in parse(text)
        if scope.context == context
        and scope.resource_type in {"*", resource_type}
        and letter in scope.interactions
    ]


def admits(queries, record):
    return any(query <= record for query in queries)


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_text_is_read_without_failing(requested, allowed):
    parse(requested)
    granted(requested, allowed)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("openid", "Know who you are"),
        ("patient/MedicationRequest.rs", "Read and search medication request records of this patient"),
        ("user/*.cruds", "Add, read, change, delete and search all kinds of records that you may see"),
        ("user/Observation.r?category=a", "Read observation records that you may see, only where category=a"),
    ],
)
def test_a_scope_is_explained_in_a_sentence(word, expected):
    assert sentence(word) == expected
