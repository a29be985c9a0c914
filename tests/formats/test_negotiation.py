"""What ``Accept``, ``_format``, ``Content-Type`` and ``Accept-Encoding`` mean, without a server."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api import binary, compression, formats
from api.formats import Format
from models.errors import NotAcceptable, UnsupportedMediaType

JSON, XML = Format
PIECES = st.lists(
    st.sampled_from(
        [
            *formats.MEDIA_TYPES,
            "*/*",
            "application/*",
            "gzip",
            "identity",
            ",",
            ";",
            "q=",
            "0",
            "1.0",
            "=",
            " ",
        ]
    )
    | st.text(max_size=4)
).map("".join)


@given(header=PIECES)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_no_header_is_more_than_refused(header: str) -> None:
    for read in (
        formats.accepted,
        formats.named,
        formats.of_body,
        compression.chosen,
        compression.of_body,
        binary.raw_type,
    ):
        with suppress(NotAcceptable, UnsupportedMediaType):
            read(header)
    assert formats.of_refusal(header, header) in Format


def test_a_header_without_end_is_read_in_part() -> None:
    header = "a/b;q=0.1," * 10_000 + "application/fhir+json"
    with pytest.raises(NotAcceptable):
        formats.accepted(header)
    assert formats.accepted("application/fhir+xml" + ";a=b" * 10_000) is XML


@pytest.mark.parametrize(
    "accept",
    [
        "text/html",
        "text/turtle, image/png",
        "application/fhir+json;q=0",
        "*/*;q=0",
        "application/*;q=0.0",
        "application/fhir+json;q=0, application/fhir+xml;q=0, */*",
        "application/fhir+json; fhirVersion=3.0",
        "application/fhir+xml;fhirVersion=5.0",
        "text/*",
        "application/fhir",
        "json",
    ],
)
def test_an_accept_header_that_leaves_neither_format_is_refused(accept: str) -> None:
    with pytest.raises(NotAcceptable) as refusal:
        formats.accepted(accept)
    assert refusal.value.status == 406


@pytest.mark.parametrize(
    ("accept", "format_"),
    [
        (None, JSON),
        ("", JSON),
        (" , ,", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        ("text/html, */*;q=0.1", JSON),
        ("application/fhir+json", JSON),
        ("application/json", JSON),
        ("text/json", JSON),
        ("application/json+fhir", JSON),
        ("APPLICATION/FHIR+JSON; charset=UTF-8", JSON),
        ("application/fhir+json; fhirVersion=4.0", JSON),
        ("application/fhir+json, application/fhir+xml", JSON),
        ("application/fhir+xml;q=0.5, application/fhir+json;q=0.6", JSON),
        ("application/fhir+xml;q=0.5, */*", JSON),
        ("application/fhir+xml;q=0, */*", JSON),
        ("application/fhir+xml;fhirVersion=3.0, application/json;q=0.1", JSON),
        ("application/fhir+xml", XML),
        ("application/xml", XML),
        ("text/xml", XML),
        ("application/xml+fhir", XML),
        ("application/fhir+xml;fhirVersion=4.0.1", XML),
        ("application/fhir+xml, application/fhir+json", XML),
        ("application/fhir+json;q=0.5, application/fhir+xml", XML),
        ("application/fhir+json;q=0, */*", XML),
        ("*/*;q=0.5, application/fhir+xml", XML),
        ("*/*, application/fhir+xml", XML),
        ("application/*;q=0.2, application/fhir+xml;q=0.3", XML),
        ("text/html, application/xml;q=0.9, */*;q=0.8", XML),
        ("application/fhir+xml;q=1.0, application/fhir+json;q=1.0, application/json+fhir;q=0.9", XML),
        ("application/fhir+xml;q=banana, application/fhir+json;q=0.9", XML),
    ],
)
def test_the_format_with_the_greatest_weight_is_chosen(accept: str | None, format_: Format) -> None:
    assert formats.accepted(accept) is format_


@pytest.mark.parametrize(
    "name", ["", "ttl", "turtle", "html", "text/html", "application/fhir+turtle", "JSONX"]
)
def test_a_format_parameter_that_names_no_format_is_refused(name: str) -> None:
    with pytest.raises(NotAcceptable):
        formats.named(name)


@pytest.mark.parametrize("suffix", ["json", "xml"])
def test_a_format_parameter_is_understood_in_every_spelling(suffix: str) -> None:
    spellings = [
        suffix, f"application/{suffix}", f"text/{suffix}", f"application/fhir+{suffix}",
        f"application/{suffix}+fhir", f"{suffix}+fhir", f"application/fhir {suffix}",
        f"application/{suffix} fhir", f" Application/FHIR+{suffix.upper()}; charset=utf-8",
    ]  # fmt: skip
    assert {formats.named(spelling) for spelling in spellings} == {Format[suffix.upper()]}


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "application/fhir+turtle",
        "application/xml-patch+xml",
        "application/fhir+xml; charset=utf-16",
        "text/xml;charset=iso-8859-1",
        "application/fhir+xml; fhirVersion=3.0",
        "application/fhir+xml, application/fhir+json",
        "xml",
    ],
)
def test_a_body_of_another_type_or_character_set_is_refused(content_type: str | None) -> None:
    with pytest.raises(UnsupportedMediaType) as refusal:
        formats.of_body(content_type)
    assert refusal.value.status == 415


@pytest.mark.parametrize("parameters", ["", "; charset=utf-8", ';charset="UTF-8"', "; fhirVersion=4.0"])
def test_the_type_of_a_body_tells_its_format(parameters: str) -> None:
    for name, format_ in formats.MEDIA_TYPES.items():
        assert formats.of_body(name + parameters) is format_


@pytest.mark.parametrize(
    "accept_encoding",
    ["identity;q=0", "*;q=0", "identity;q=0, deflate", "gzip;q=0, *;q=0", "identity;q=0, gzip;q=0"],
)
def test_codings_that_leave_nothing_are_refused(accept_encoding: str) -> None:
    with pytest.raises(NotAcceptable) as refusal:
        compression.chosen(accept_encoding)
    assert refusal.value.issues[0].text == "The content codings on offer are gzip, br and zstd."


@pytest.mark.parametrize(
    ("accept_encoding", "name", "always"),
    [
        (None, None, False),
        ("", None, False),
        ("identity", None, False),
        ("deflate, compress", None, False),
        ("gzip;q=0", None, False),
        ("identity, gzip;q=0.5", None, False),
        ("identity;q=0.5, *;q=0.1", None, False),
        ("gzip", "gzip", False),
        ("x-gzip", "gzip", False),
        ("GZIP;Q=0.5", "gzip", False),
        ("gzip, deflate", "gzip", False),
        ("gzip, deflate, br", "br", False),
        ("gzip, deflate, br, zstd", "zstd", False),
        ("zstd;q=0.3, br;q=0.4, gzip;q=0.5", "gzip", False),
        ("*", "zstd", False),
        ("zstd;q=0, *", "br", False),
        ("gzip;q=1.0, identity;q=0.5, *;q=0", "gzip", False),
        ("gzip, identity;q=0", "gzip", True),
        ("br, *;q=0", "br", True),
    ],
)
def test_the_coding_with_the_greatest_weight_is_chosen(
    accept_encoding: str | None, name: str | None, *, always: bool
) -> None:
    chosen = compression.chosen(accept_encoding)
    assert (chosen.name, chosen.always) == (name, always) if chosen else name is None


@pytest.mark.parametrize("accept", ["*/*;q=0", "image/png;q=0", "application/fhir+json;fhirVersion=3.0"])
def test_an_accept_header_that_leaves_no_form_of_a_binary_is_refused(accept: str) -> None:
    with pytest.raises(NotAcceptable):
        binary.raw_type(accept)


@pytest.mark.parametrize(
    ("accept", "raw", "format_"),
    [
        (None, "*/*", JSON),
        ("", "*/*", JSON),
        ("*/*", "*/*", JSON),
        ("application/pdf", "*/*", JSON),
        ("image/png, application/fhir+xml;q=0.5", "*/*", XML),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "*/*", XML),
        ("application/fhir+json", "", JSON),
        ("application/fhir+xml", "", XML),
        ("application/xml+fhir", "", XML),
        ("*/*, application/fhir+xml", "", XML),
        ("application/fhir+json, */*; 0.1", "", JSON),
        ("image/png;q=0.5, application/fhir+json", "", JSON),
        ("application/json", "application/json", JSON),
        ("text/xml", "text/xml", XML),
    ],
)
def test_a_binary_is_raw_unless_fhir_is_asked_for(accept: str | None, raw: str, format_: Format) -> None:
    assert binary.raw_type(accept) == (raw, format_)
