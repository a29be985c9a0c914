"""What is not FHIR XML is refused with the place where it is wrong, and nothing that it says is repeated."""

from __future__ import annotations

import copy
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.document import MAXIMUM_DEPTH, parse, serialize
from models.errors import Malformed, NotAcceptable
from models.xml import from_xml, to_xml

SECRET = "Ada-Lovelace"
DIV = "<div xmlns='http://www.w3.org/1999/xhtml'>a</div>"
SCHEMA = (
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="http://hl7.org/fhir a.xsd"'
)


def patient(content: str, *, prolog: str = "", attributes: str = "") -> bytes:
    return f'{prolog}<Patient xmlns="http://hl7.org/fhir"{attributes}>{content}</Patient>'.encode()


def refused(body: bytes) -> Malformed:
    with pytest.raises(Malformed) as caught:
        from_xml(body)
    assert caught.value.status == 400
    assert all(SECRET not in f"{issue.text} {issue.expression}" for issue in caught.value.issues)
    return caught.value


def finding(content: str) -> tuple[str, str, str | None]:
    """The one finding about a patient with this content: code, expression, text."""
    (issue,) = refused(patient(content)).issues
    return issue.code, issue.expression, issue.text


NOT_XML = {
    "nothing": b"",
    "white space": b" \n",
    "text": SECRET.encode(),
    "JSON": b'{"resourceType":"Patient"}',
    "an unclosed tag": b'<Patient xmlns="http://hl7.org/fhir">',
    "an unbound prefix": b"<f:Patient/>",
    "two roots": patient("") + patient(""),
    "an attribute twice": patient('<gender value="male" value="male"/>'),
    "NUL": patient('<gender value="\x00"/>'),
    "NUL as a reference": patient('<gender value="&#0;"/>'),
    "a control character": patient('<gender value="&#x1;"/>'),
    "half a surrogate pair": patient('<gender value="&#xD800;"/>'),
    "half a surrogate pair in bytes": patient('<gender value="?"/>').replace(b"?", b"\xed\xa0\x80"),
    "a code point beyond Unicode": patient('<gender value="&#x110000;"/>'),
    "an entity of HTML": patient(f"<text><status value='generated'/>{DIV.replace('a<', '&nbsp;<')}</text>"),
    "latin-1": patient('<name><text value="é"/></name>').decode().encode("latin-1"),
    "UTF-16": patient("").decode().encode("utf-16"),
    "UTF-16 without a mark": patient("").decode().encode("utf-16-be"),
    "UTF-32": patient("").decode().encode("utf-32"),
}


@pytest.mark.parametrize("body", NOT_XML.values(), ids=NOT_XML)
def test_what_is_not_well_formed_is_refused(body):
    assert "content" in refused(body).issues[0].text


def test_the_place_of_a_syntax_error_is_told():
    error = refused(patient("<name>\n<given></name>"))
    assert error.issues[0].text == "The content is not well-formed XML in UTF-8 at line 2, column 10."
    assert error.issues[0].expression == "Patient.name[0].given[0]"


LAUGHS = "".join(f'<!ENTITY a{n + 1} "{f"&a{n};" * 10}">' for n in range(9))
DOCUMENT_TYPES = {
    "billion laughs": f'<!DOCTYPE Patient [<!ENTITY a0 "{SECRET}">{LAUGHS}]>',
    "quadratic blow-up": f'<!DOCTYPE Patient [<!ENTITY a9 "{SECRET * 5000}">]>',
    "a file": '<!DOCTYPE Patient [<!ENTITY a9 SYSTEM "file:///etc/passwd">]>',
    "an external subset": '<!DOCTYPE Patient SYSTEM "http://127.0.0.1:9/a.dtd">',
    "a parameter entity": '<!DOCTYPE Patient [<!ENTITY % a SYSTEM "http://127.0.0.1:9/a.dtd"> %a;]>',
    "a bare one": "<!DOCTYPE Patient>",
}


@pytest.mark.parametrize("prolog", DOCUMENT_TYPES.values(), ids=DOCUMENT_TYPES)
def test_a_document_type_is_refused_before_any_entity_is_read(prolog):
    error = refused(patient('<name><text value="&a9;"/></name>', prolog=prolog))
    assert error.issues[0].text == (
        "The content has a document type declaration. Send XML without one: no entities are read."
    )


@pytest.mark.parametrize("encoding", ["ISO-8859-1", "utf-16", "US-ASCII", "utf-7"])
def test_another_declared_encoding_is_refused(encoding):
    error = refused(patient("", prolog=f'<?xml version="1.0" encoding="{encoding}"?>'))
    assert error.issues[0].text == "The content declares another encoding. Send UTF-8."


def test_more_levels_than_json_may_have_are_refused():
    levels = MAXIMUM_DEPTH
    error = refused(patient('<extension url="a">' * levels + "</extension>" * levels))
    assert "nested more than 64 levels" in error.issues[0].text
    assert error.issues[0].expression.startswith("Patient.extension[0].extension[0]")


@pytest.mark.parametrize("levels", [100, 1_000_000])
def test_deep_nesting_of_unknown_elements_and_of_html_exhausts_nothing(levels):
    assert finding("<x>" * levels + "</x>" * levels)[1] == "Patient.x"
    div = DIV.replace("a", "<p>" * levels + "</p>" * levels)
    assert from_xml(patient(f"<text>{div}</text>"))["text"]["div"] == div


def test_an_unknown_attribute_of_the_root_is_refused():
    (issue,) = refused(patient("", attributes=f' id="{SECRET}"')).issues
    assert (issue.expression, issue.text) == ("Patient", ATTRIBUTE)


@pytest.mark.parametrize("attribute", ["", ' id="i"'])
@pytest.mark.parametrize("levels", [30, 31, 32])
def test_what_is_read_from_xml_is_not_too_deep_for_json(levels, attribute):
    value = f'<valueString{attribute} value="a"/>'
    extensions = '<extension url="a">' * levels + value + "</extension>" * levels
    body = patient(f"<maritalStatus>{extensions}</maritalStatus>")
    try:
        document = from_xml(body)
    except Malformed:
        assert levels == 32 or (levels == 31 and attribute)
    else:
        assert parse(serialize(document)) == document


@pytest.mark.parametrize(
    "body",
    [
        b"<Patient/>",
        b'<Patient xmlns="http://hl7.org/fhir/R5"/>',
        b'<Nobody xmlns="http://hl7.org/fhir"/>',
        b'<Resource xmlns="http://hl7.org/fhir"/>',
        b'<HumanName xmlns="http://hl7.org/fhir"/>',
        b'<div xmlns="http://www.w3.org/1999/xhtml"/>',
    ],
)
def test_a_root_that_is_no_resource_is_refused(body):
    assert refused(body).issues[0].text == (
        "The root element must be a resource type of FHIR R4 in the namespace http://hl7.org/fhir."
    )


UNKNOWN = "{} has no such element in FHIR R4."
NAMESPACE = (
    "Elements must be in the namespace http://hl7.org/fhir, "
    "and the div of a narrative in http://www.w3.org/1999/xhtml."
)
ATTRIBUTE = "This element has an attribute that FHIR R4 does not give it. Values stand in value, ids in id."
NO_CONTENT = "An element needs a value attribute or elements inside. Leave the element out."
TEXT = "Text stands between the tags. Write a value as the value attribute."
TWICE = "This element does not repeat: send it once."
RESOURCE = "Exactly one resource of a type of FHIR R4 must stand here."
DIVISION = 'Write the narrative as <div xmlns="http://www.w3.org/1999/xhtml">, without a prefix.'
WHOLE = "This must be a whole number."
DECIMAL = "This must be a decimal number of at most 64 characters."


@pytest.mark.parametrize(
    ("content", "expression", "text"),
    [
        ("<shoeSize value='9'><x/>y</shoeSize>", "Patient.shoeSize", UNKNOWN.format("Patient")),
        ("<Gender value='male'/>", "Patient.Gender", UNKNOWN.format("Patient")),
        ("<name><id value='a'/><text value='a'/></name>", "Patient.name[0].id", UNKNOWN.format("HumanName")),
        ("<gender value='male'><x/></gender>", "Patient.gender.x", UNKNOWN.format("Element")),
        (f"<é{SECRET}/>", "Patient", UNKNOWN.format("Patient")),
        ("<gender xmlns='' value='male'/>", "Patient", NAMESPACE),
        (f"<active value='true'/>{DIV}", "Patient", NAMESPACE),
        (f"<gender value='male' {SECRET}='a'/>", "Patient.gender", ATTRIBUTE),
        ("<gender value='male' url='a'/>", "Patient.gender", ATTRIBUTE),
        ("<name value='a'><text value='a'/></name>", "Patient.name[0]", ATTRIBUTE),
        ("<gender value='male' xml:lang='en'/>", "Patient.gender", ATTRIBUTE),
        ("<contained id='a'><Flag/></contained>", "Patient.contained[0]", ATTRIBUTE),
        ("<contained><Flag id='a'/></contained>", "Patient.contained[0]", ATTRIBUTE),
        ("<gender/>", "Patient.gender", NO_CONTENT),
        ("<name><given value='a'/><given/></name>", "Patient.name[0].given[1]", NO_CONTENT),
        ("<name><given value='a'/></name><name></name>", "Patient.name[1]", NO_CONTENT),
        (f"<gender>{SECRET}</gender><active value='true'/>", "Patient", None),
        (f"{SECRET}<active value='true'/>", "Patient", TEXT),
        (f"<active value='true'><![CDATA[{SECRET}]]></active>", "Patient.active", TEXT),
        ("<gender value='male'/><active value='true'/><gender value='male'/>", "Patient.gender", TWICE),
        ("<text><div xmlns='http://www.w3.org/1999/xhtml'/></text><text/>", "Patient.text", TWICE),
        (f"<text>{DIV}{DIV}</text>", "Patient.text.div", TWICE),
        ("<contained/>", "Patient.contained[0]", RESOURCE),
        ("<contained><Nobody/></contained>", "Patient.contained[0]", RESOURCE),
        ("<contained><Flag/><Flag/></contained>", "Patient.contained[0]", RESOURCE),
        ("<contained><Flag><x/></Flag></contained>", "Patient.contained[0].x", UNKNOWN.format("Flag")),
        ("<text><div>a</div></text>", "Patient.text.div", DIVISION),
        (
            "<text><h:div xmlns:h='http://www.w3.org/1999/xhtml'>a</h:div></text>",
            "Patient.text.div",
            DIVISION,
        ),
    ],
)
def test_what_r4_does_not_know_is_refused_with_its_place(content, expression, text):
    if text is None:
        assert [(issue.expression, issue.text) for issue in refused(patient(content)).issues] == [
            ("Patient.gender", TEXT),
            ("Patient.gender", NO_CONTENT),
        ]
        return
    issue = refused(patient(content)).issues[0]
    assert (issue.code, issue.expression, issue.text) == ("structure", expression, text)


@pytest.mark.parametrize(
    ("content", "expression", "text"),
    [
        (f"<active value='{SECRET}'/>", "Patient.active", "This must be true or false."),
        ("<active value='1'/>", "Patient.active", "This must be true or false."),
        ("<active value=''/>", "Patient.active", "This must be true or false."),
        ("<multipleBirthInteger value='1.0'/>", "Patient.multipleBirthInteger", WHOLE),
        ("<multipleBirthInteger value='01'/>", "Patient.multipleBirthInteger", WHOLE),
        ("<multipleBirthInteger value='&#x661;'/>", "Patient.multipleBirthInteger", WHOLE),
        (f"<multipleBirthInteger value='{'9' * 5000}'/>", "Patient.multipleBirthInteger", WHOLE),
    ],
)
def test_a_value_of_another_type_is_refused(content, expression, text):
    assert finding(content) == ("value", expression, text)


@pytest.mark.parametrize(
    "value", ["", "1,5", "+1", ".5", "1.", "01", "NaN", "INF", "0x1", "1_0", "9" * 65, "²"]
)
def test_what_is_no_decimal_is_refused(value):
    body = f'<Observation xmlns="http://hl7.org/fhir"><valueQuantity><value value="{value}"/></valueQuantity>'
    (issue,) = refused(f"{body}</Observation>".encode()).issues
    assert (issue.code, issue.expression, issue.text) == ("value", "Observation.valueQuantity.value", DECIMAL)


@pytest.mark.parametrize("value", ["1E65", "1e-99", "1E999"])
def test_an_exponent_beyond_all_measure_is_refused(value):
    body = f'<Observation xmlns="http://hl7.org/fhir"><valueQuantity><value value="{value}"/></valueQuantity>'
    (issue,) = refused(f"{body}</Observation>".encode()).issues
    assert issue.text == "The exponent of this number is beyond 64."


def test_all_findings_are_told_at_once():
    error = refused(patient("<active value='yes'/><gender/><name><shoeSize/></name><shoeSize/>"))
    assert [issue.expression for issue in error.issues] == [
        "Patient.active",
        "Patient.gender",
        "Patient.name[0].shoeSize",
        "Patient.name[0]",
        "Patient.shoeSize",
    ]


def test_no_more_findings_are_told_than_anybody_reads():
    assert len(refused(patient("<gender/>" * 5000)).issues) == 100


@example(b"<Patient xmlns='http://hl7.org/fhir'><name><given/></name>")
@given(
    st.binary(max_size=60) | st.text(max_size=60).map(lambda text: patient("").replace(b"><", text.encode()))
)
def test_whatever_is_sent_is_read_or_refused(body):
    with suppress(Malformed):
        assert from_xml(body)["resourceType"] == "Patient"


@given(st.data())
def test_xml_that_was_damaged_is_read_or_refused(data):
    body = bytearray(
        patient(f"<name id='a'><given value='A'/></name><text>{DIV}</text><contained><Flag/></contained>")
    )
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(body) - 1))
        body[place : place + data.draw(st.integers(0, 4))] = data.draw(
            st.sampled_from(b"<>/'=& ax")
        ).to_bytes()
    with suppress(Malformed):
        document = from_xml(bytes(body))
        assert parse(serialize(document)) == document


INEXPRESSIBLE = [
    {"resourceType": "Nobody"},
    {"resourceType": ["Patient"]},
    {},
    {"shoeSize": 9},
    {"resourceType": "Patient", "shoeSize": 9},
    {"resourceType": "Patient", "_name": {"id": "a"}},
    {"resourceType": "Patient", "name": {"text": "a"}},
    {"resourceType": "Patient", "name": ["a"]},
    {"resourceType": "Patient", "gender": ["male"]},
    {"resourceType": "Patient", "gender": {"code": "male"}},
    {"resourceType": "Patient", "_gender": "male"},
    {"resourceType": "Patient", "contained": [{"id": "a"}]},
    {"resourceType": "Patient", "contained": ["a"]},
    {"resourceType": "Patient", "text": {"div": 1}},
    {"resourceType": "Patient", "text": {"div": "a < b"}},
    {"resourceType": "Patient", "text": {"div": "<div>a</div>"}},
    {"resourceType": "Patient", "text": {"div": DIV + "</text><active value='true'/><text>" + DIV}},
    {"resourceType": "Patient", "text": {"div": "<status xmlns='http://hl7.org/fhir' value='generated'/>"}},
    {"resourceType": "Patient", "text": {"div": "<!DOCTYPE div>" + DIV}},
    {"resourceType": "Patient", "text": {"div": "<?xml version='1.0'?>" + DIV}},
]


@pytest.mark.parametrize("document", INEXPRESSIBLE)
def test_what_xml_cannot_hold_is_not_written(document):
    with pytest.raises(NotAcceptable) as caught:
        to_xml(copy.deepcopy(document))
    (issue,) = caught.value.issues
    assert issue.text == (
        "This resource holds something for which FHIR has no XML. Ask for application/fhir+json."
    )
    assert issue.expression in {"Patient", "Nobody", "Resource"}


def test_a_prefix_a_byte_order_mark_comments_and_processing_instructions_are_read_past():
    body = f"""\ufeff<?xml version="1.0" encoding="utf-8"?><?style a?><!-- {SECRET} -->
    <f:Patient xmlns:f="http://hl7.org/fhir" {SCHEMA}><!-- a --><f:active value=" true "/><?a b?>
    <f:gender value='male'></f:gender><f:text>{DIV}</f:text></f:Patient><!-- b -->"""
    assert from_xml(body.encode()) == {
        "resourceType": "Patient",
        "active": True,
        "gender": "male",
        "text": {"div": DIV},
    }


def test_white_space_is_taken_from_around_values_but_not_from_strings():
    document = from_xml(patient("<gender value=' male\n'/><name><text value=' a  b&#10;\tc '/></name>"))
    assert document["gender"] == "male"
    assert document["name"] == [{"text": " a  b\n c "}]


def test_elements_in_another_order_are_read():
    document = from_xml(
        patient("<name><given value='A'/><family value='B'/><given value='C'/></name><id value='p'/>")
    )
    assert document == {"resourceType": "Patient", "name": [{"given": ["A", "C"], "family": "B"}], "id": "p"}


ONLY_IN_JSON = {"id": "a", "extension": [{"url": "http://a.example", "valueString": "b"}]}
NO_SIBLINGS = [
    {"resourceType": "Patient", "name": [{"_id": ONLY_IN_JSON, "family": "F"}]},
    {"resourceType": "Patient", "extension": [{"url": "u", "_url": ONLY_IN_JSON, "valueString": "b"}]},
    {"resourceType": "Patient", "text": {"status": "generated", "div": DIV, "_div": ONLY_IN_JSON}},
]


@pytest.mark.parametrize("document", NO_SIBLINGS)
def test_what_only_json_can_hold_keeps_a_resource_from_being_written_but_not_a_page(document):
    with pytest.raises(NotAcceptable):
        to_xml(document)
    entries = [{"resource": document}, {"resource": {"resourceType": "Patient", "active": True}}]
    written = from_xml(to_xml({"resourceType": "Bundle", "type": "searchset", "entry": entries}))
    assert written["entry"][1] == entries[1]
    (left,) = written["entry"][0]["resource"].keys() - {"resourceType"}
    part = document[left][0] if isinstance(document[left], list) else document[left]
    kept = {name: value for name, value in part.items() if not name.startswith("_")}
    assert written["entry"][0]["resource"][left] in (kept, [kept])


@pytest.mark.parametrize("document", [*INEXPRESSIBLE, {"resourceType": "Patient", "__id": 1}])
def test_what_has_no_place_at_all_keeps_a_page_from_being_written(document):
    with pytest.raises(NotAcceptable):
        to_xml({"resourceType": "Bundle", "entry": [{"resource": copy.deepcopy(document)}]})
