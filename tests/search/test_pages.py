"""Pages: order, links, counts, and what is refused.

Source: https://hl7.org/fhir/R4/search.html#sort, #count, #total, #lenient
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from models.errors import BadRequest
from service.search import crowds, query

START = datetime(2026, 3, 1, tzinfo=UTC)
CITIES = {
    0: ("Bonn",),
    1: ("Celle", "Aachen"),
    2: ("aachen", "Áachen"),
    4: ("A" * 70 + "B",),
    5: ("Bonn",),
    8: ("A" * 70,),
}


WITHOUT_MEN = str.maketrans("", "", "02468")


@pytest.fixture
async def people(shelf):
    """Nine people; some share a birth date, some have none."""
    for number, birthday in enumerate(
        ("1990", "1980-05-01", None, "1980-05-01", "1970", None, "1990", "1980", "1985")
    ):
        person = {"resourceType": "Patient", "id": f"p{number}", "gender": "female" if number % 2 else "male"}
        person["name"] = [{"family": "ÄBCDEFGHI"[number], "given": ["Ada"]}]
        person["address"] = [{"city": city} for city in CITIES.get(number, ())]
        if birthday:
            person["birthDate"] = birthday
        await shelf.put(person, at=START + timedelta(minutes=number))
    return shelf


async def walk(shelf, text, direction, cursor=None):
    """The ids of each page, following one kind of link."""
    pages = []
    for _ in range(20):
        page = await shelf.page("Patient", text + (f"&_page={cursor}" if cursor else ""))
        pages.append([row.id for row in page.rows])
        cursor = getattr(page, direction)
        if cursor is None:
            return pages, page
    raise AssertionError(pages)


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("", "012345678"),
        ("_sort=_id", "012345678"),
        ("_sort=-_id", "876543210"),
        ("_sort=-_lastUpdated", "876543210"),
        ("_sort=birthdate", "471380625"),
        ("_sort=-birthdate", "068137425"),
        ("_sort=-birthdate,-_lastUpdated", "608317452"),
        ("_sort=gender,birthdate", "713548062"),
        ("_sort=family", "012345678"),
        ("_sort=-family", "876543210"),
        ("_sort=address-city", "841205367"),
        ("_sort=-address-city", "105248367"),
        ("_sort=address-city&birthdate=ge1980-05-01", "810367"),
        ("_sort=address-city&given=ada", "841205367"),
        ("_sort=general-practitioner,-_id", "876543210"),
        ("birthdate=ge1980", "013678"),
        ("birthdate=ge1980-03&_sort=birthdate", "731860"),
        ("birthdate=gt1980-03&_sort=-birthdate", "068137"),
        ("birthdate=ge1980-03&birthdate=le1985&_sort=birthdate", "7318"),
        ("birthdate=gt1980&_sort=birthdate,-_lastUpdated", "860"),
        ("birthdate=ge1960&_sort=-birthdate,-_lastUpdated", "6083174"),
    ],
)
@pytest.mark.parametrize("count", [1, 2, 3, 4, 9, 50])
async def test_pages_follow_one_another_without_duplicate_or_hole(people, sort, expected, count):
    pages, last = await walk(people, f"{sort}&_count={count}", "next")
    ordered = [key for page in pages for key in page]
    assert "".join(key[1:] for key in ordered) == expected
    assert all(len(page) == count for page in pages[:-1])
    if len(pages) > 1:
        back, _ = await walk(people, f"{sort}&_count={count}", "previous", last.previous)
        assert back == pages[-2::-1]


@pytest.mark.parametrize(
    "bounds", [(200, 2, 5000, 100), (1, 1, 5000, 100), (1, 1, 6, 4), (2, 9, 9, 3), (1, 100, 100, 100)]
)
@pytest.mark.parametrize("asked", ["given=ada", "given:contains=d", "given:contains=ada"])
@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("", "012345678"),
        ("_sort=-_id", "876543210"),
        ("_sort=birthdate", "471380625"),
        ("_sort=-birthdate", "068137425"),
        ("_sort=_lastUpdated", "012345678"),
        ("_sort=-_lastUpdated", "876543210"),
    ],
)
async def test_a_name_that_many_share_is_found_page_by_page(
    people, monkeypatch, sort, expected, asked, bounds
):
    for name, value in zip(("FEW", "SHARED", "REACH", "SAMPLE", "FOR_EACH"), (*bounds, 1), strict=True):
        monkeypatch.setattr(crowds, name, value)
    pages, last = await walk(people, f"{asked}&{sort}&_count=4", "next")
    assert "".join(key[1:] for page in pages for key in page) == expected
    back, _ = await walk(people, f"{asked}&{sort}&_count=4", "previous", last.previous)
    assert back == pages[-2::-1]
    women, _ = await walk(people, f"{asked}&{sort}&gender:not=male&_count=3", "next")
    assert "".join(key[1:] for page in women for key in page) == expected.translate(WITHOUT_MEN)
    both, _ = await walk(people, f"{asked}&{sort}&birthdate=1990&_include=Patient:organization", "next")
    assert sorted(both[0]) == ["p0", "p6"]


@pytest.mark.parametrize("bounds", [(1, 1, 5000, 100), (1, 1, 6, 2)])
@pytest.mark.parametrize(
    "dates",
    [
        "birthdate=ge1980-03",
        "birthdate=gt1980",
        "birthdate=le1985",
        "birthdate=lt1985",
        "birthdate=ge1980-03&birthdate=le1985",
        "birthdate=1980",
        "birthdate=sa1980",
        "birthdate=ne1980",
        "birthdate=eb1985",
        "birthdate=1980,1990",
        "_lastUpdated=ge2026-03-01T00:02:00Z",
        "_lastUpdated=lt2026-03-01T00:06:00Z",
    ],
)
@pytest.mark.parametrize(
    "sort", ["", "_sort=-birthdate", "_sort=birthdate", "_sort=_lastUpdated", "_sort=-_lastUpdated"]
)
async def test_a_name_that_many_share_is_found_between_dates(people, monkeypatch, dates, sort, bounds):
    everybody = [row.id for row in (await people.page("Patient", f"{dates}&{sort}")).rows]
    for name, value in zip(("FEW", "SHARED", "REACH", "SAMPLE", "FOR_EACH"), (*bounds, 1), strict=True):
        monkeypatch.setattr(crowds, name, value)
    pages, last = await walk(people, f"given:contains=d&{dates}&{sort}&_count=2", "next")
    assert [key for page in pages for key in page] == everybody
    if len(pages) > 1:
        back, _ = await walk(people, f"given:contains=d&{dates}&{sort}&_count=2", "previous", last.previous)
        assert back == pages[-2::-1]


async def test_a_page_sequence_is_not_disturbed_by_writes(people):
    first = await people.page("Patient", "_count=4")
    await people.put({"resourceType": "Patient", "id": "p0", "gender": "other"})
    await people.put({"resourceType": "Patient", "id": "p1"}, deleted=True)
    await people.put({"resourceType": "Patient", "id": "p4", "gender": "other"})
    second = await people.page("Patient", f"_count=4&_page={first.next}")
    assert [row.id for row in second.rows] == ["p4", "p5", "p6", "p7"]


async def test_a_lower_bound_on_the_last_update_orders_by_time(people):
    await people.put({"resourceType": "Patient", "id": "p0"}, at=START + timedelta(hours=1))
    page = await people.page("Patient", "_lastUpdated=gt2026-03-01T00:06:00Z&_count=2")
    assert [row.id for row in page.rows] == ["p7", "p8"]
    following = await people.page(
        "Patient", f"_lastUpdated=gt2026-03-01T00:06:00Z&_count=2&_page={page.next}"
    )
    assert [row.id for row in following.rows] == ["p0"]
    assert following.next is None


async def test_a_pull_stops_before_a_transaction_that_is_under_way(people):
    await people.connection.execute("UPDATE fhir_patient SET tx = '4611686018427387904' WHERE id = 'p8'")
    assert await people.find("Patient", "_lastUpdated=ge2026-03-01T00:07:00Z") == ["p7"]
    assert await people.find("Patient", "_lastUpdated=lt2027&_sort=-_lastUpdated&_count=1") == ["p8"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("_lastUpdated=2026-03-01T00:02:00Z", "2"),
        ("_lastUpdated=2026-03-01T00:02:00.000000Z", "2"),
        ("_lastUpdated=ge2026-03-01T00:07:00Z", "78"),
        ("_lastUpdated=gt2026-03-01T00:07:00Z", "8"),
        ("_lastUpdated=lt2026-03-01T00:02Z", "01"),
        ("_lastUpdated=le2026-03-01T00:02Z", "012"),
        ("_lastUpdated=ne2026-03-01T00:02Z", "01345678"),
        ("_lastUpdated=sa2026-03-01T00:07Z", "8"),
        ("_lastUpdated=eb2026-03-01T00:01Z", "0"),
        ("_lastUpdated=gt1900-01-01", "012345678"),
    ],
)
async def test_the_last_update_is_compared_as_an_instant(people, text, expected):
    assert "".join(key[1:] for key in await people.find("Patient", text)) == expected


async def test_the_greatest_instant_seen_resumes_exactly_after_it(people):
    at = START + timedelta(days=1, microseconds=123456)
    await people.put({"resourceType": "Patient", "id": "x"}, at=at)
    await people.put({"resourceType": "Patient", "id": "y"}, at=at + timedelta(microseconds=1))
    assert await people.find("Patient", "_lastUpdated=gt2026-03-02T00:00:00.123456Z") == ["y"]


@pytest.mark.parametrize(
    "text",
    [
        "_count=-1",
        "_count=two",
        "_count=1.5",
        "_total=some",
        "_summary=all",
        "_elements=a..b",
        "_lastUpdated=abc",
        "_page=abc",
        "_page=%00",
        "birthdate:missing=maybe",
        "name=%00",
        "name=%20",
        "_sort=a,b,c,d,e,f",
        "_include:all=Patient:link",
    ],
)
async def test_a_value_that_cannot_be_read_is_refused_even_when_lenient(shelf, text):
    with pytest.raises(BadRequest) as refused:
        await shelf.page("Patient", text, strict=False)
    assert refused.value.status == 400
    assert refused.value.issues[0].code == "invalid"
    name = text.partition("=")[0]
    assert refused.value.issues[0].text == f"The value of the search parameter '{name}' cannot be read."


async def test_a_refusal_names_the_parameter_in_its_expression(shelf):
    for text, place in (
        ("death-date=x", "http.death-date"),
        ("shoe-size=1", "http.shoe-size"),
        ("gender:exact=male", "http.gender:exact"),
        ("gender:in=urn:unknown", "http.gender:in"),
        ("link:Patient.birthdate=x", "http.birthdate"),
        ("%3Cb%3E=9", None),
    ):
        with pytest.raises(BadRequest) as refused:
            await shelf.page("Patient", text)
        assert refused.value.issues[0].expression == place


async def test_a_count_over_the_greatest_page_is_shown_as_what_was_used(people):
    asked = query.parse("Patient", [("_count", "99999"), ("gender", "male")], base_url="http://fhir.test")
    assert asked.used == [("_count", "1000"), ("gender", "male")]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Observation?code:above=1", True),
        ("Observation?code:below=1", True),
        ("Location?partof:below=1", True),
        ("Observation?code:exact=1", False),
    ],
)
async def test_a_hierarchy_that_is_not_known_is_refused_with_the_reason(shelf, text, why):
    resource_type, _, asked = text.partition("?")
    with pytest.raises(BadRequest) as refused:
        await shelf.page(resource_type, asked, strict=False)
    named = asked.partition("=")[0]
    reason = (
        "; it applies to uris, to versions of canonical references and to media types, "
        "since no hierarchy of codes or resources is known here"
    )
    assert refused.value.issues[0].text == (
        f"The search parameter '{named}' has a modifier that is not supported here{reason if why else ''}."
    )


@pytest.mark.parametrize(
    "text", ["name:near=x", "gender:exact=male", "link:in=x", "birthdate:exact=2026", "combo:x=1"]
)
async def test_a_modifier_that_is_not_supported_is_refused(shelf, text):
    with pytest.raises(BadRequest) as refused:
        await shelf.page("Patient", text, strict=True)
    assert refused.value.issues[0].code == "not-supported"


async def test_a_page_link_of_another_order_is_refused(people):
    page = await people.page("Patient", "_sort=birthdate&_count=2")
    with pytest.raises(BadRequest) as refused:
        await people.page("Patient", f"_count=2&_page={page.next}")
    assert str(refused.value) == "The page link is not one of this search; start again at its first page."


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("shoe-size=9", "Patient has no search parameter 'shoe-size'."),
        ("_sort=shoe-size", "There is no order by 'shoe-size'."),
        ("near=0|0", "Patient has no search parameter 'near'."),
        ("%3Cb%3E=9", "Patient has no search parameter with this name."),
    ],
)
async def test_what_is_unknown_is_ignored_with_a_notice_or_refused(people, text, complaint):
    with pytest.raises(BadRequest) as refused:
        await people.page("Patient", text)
    assert (refused.value.issues[0].code, refused.value.issues[0].text) == ("not-supported", complaint)
    page = await people.page("Patient", text, strict=False)
    assert len(page.rows) == 9
    assert [(issue.severity, issue.text) for issue in page.issues] == [
        ("warning", f"{complaint} It is ignored.")
    ]


async def test_more_values_than_can_be_searched_are_refused(shelf):
    with pytest.raises(BadRequest) as refused:
        await shelf.find("Patient", "identifier=" + ",".join(str(number) for number in range(501)))
    assert str(refused.value) == "More than 500 values in one search parameter are not supported."


async def test_totals_are_counted_when_asked_for(people):
    assert (await people.page("Patient", "gender=male&_count=2")).total is None
    page = await people.page("Patient", "gender=male&_count=2&_total=accurate")
    assert (page.total, len(page.rows)) == (5, 2)
    for text in ("_summary=count", "_count=0"):
        page = await people.page("Patient", f"gender=male&{text}")
        assert (page.total, page.rows, page.next) == (5, (), None)


async def test_a_page_that_is_all_there_is_tells_the_total(people):
    assert (await people.page("Patient", "gender=male")).total == 5
    assert (await people.page("Patient", "gender=male&_count=5")).total == 5
    assert (await people.page("Patient", "family=nobody")).total == 0
    assert (await people.page("Patient", "gender=male&_total=none")).total is None
    first = await people.page("Patient", "gender=male&_count=4")
    last = await people.page("Patient", f"gender=male&_count=4&_page={first.next}")
    assert (first.total, last.total, len(last.rows)) == (None, None, 1)
    across = await people.page("Patient", "gender=male&_include=Patient:organization")
    assert across.total == 5


@pytest.mark.parametrize("count", ["1000", "1001", "2147483647", "9" * 5000, "0" * 5000 + "7"])
async def test_a_count_may_be_any_number(people, count):
    asked = query.parse("Patient", [("_count", count)], base_url="http://fhir.test", strict=True)
    assert asked.count == (7 if count.endswith("7") and len(count) > 10 else 1000)


@pytest.mark.parametrize("text", ["name=", "_tag=", "_sort=", "subject:Patient.name=", "gender:missing="])
async def test_a_parameter_without_a_value_is_ignored_whatever_the_handling(people, text):
    resource_type = "Observation" if "." in text else "Patient"
    page = await people.page(resource_type, text, strict=True)
    assert [issue.severity for issue in page.issues] == ["warning"]
    assert page.issues[0].text.endswith("has no value. It is ignored.")
    with pytest.raises(BadRequest) as refused:
        query.clauses(resource_type, text, base_url="http://fhir.test")
    assert str(refused.value) == "Only search criteria are allowed here, each with a value."


async def test_a_named_query_is_refused(people):
    for strict in (True, False):
        with pytest.raises(BadRequest) as refused:
            await people.page("Patient", "_query=current-high-risk", strict=strict)
        issue = refused.value.issues[0]
        assert (issue.code, issue.expression) == ("not-supported", "http._query")
        assert issue.text == "No named queries are known here."
