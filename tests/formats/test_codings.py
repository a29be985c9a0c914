"""Content codings on a real server: what is refused, what is bounded, what is coded and what is not."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from uuid import uuid4

import brotli
import harness
import httpx
import pytest
import zstandard

LIMIT = 64 * 1024
PATIENT = {"resourceType": "Patient", "name": [{"family": "Coded"}]}
BODY = json.dumps(PATIENT).encode()


def unzstd(content: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompressobj().decompress(content)


PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "br": brotli.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}
UNPACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "br": brotli.decompress,
    "zstd": unzstd,
}


def raw(client: httpx.Client, url: str, accept_encoding: str, **headers: str) -> tuple[httpx.Response, bytes]:
    """Get what is on the wire, before the client decodes it."""
    with client.stream("GET", url, headers={"Accept-Encoding": accept_encoding, **headers}) as answer:
        return answer, b"".join(answer.iter_raw())


@pytest.fixture
def page(operator: httpx.Client) -> str:
    """A search whose answer is longer than a packet."""
    family = f"F{uuid4().hex}"
    for _ in range(5):
        operator.post("/Patient", json={"resourceType": "Patient", "name": [{"family": family}] * 5})
    return f"/Patient?family={family}"


@pytest.mark.parametrize("coding", ["deflate", "compress", "gzip, gzip", "gzip, br", "nonsense"])
def test_a_body_in_another_coding_is_refused(coding: str, operator: httpx.Client) -> None:
    answer = operator.post("/Patient", content=BODY, headers={"Content-Encoding": coding})
    (found,) = answer.json()["issue"]
    assert (answer.status_code, found["code"]) == (415, "not-supported")
    assert found["details"]["text"].startswith("The content coding is not accepted;")
    assert answer.headers["accept-encoding"] == "gzip, br, zstd"


@pytest.mark.parametrize("coding", PACK)
def test_a_body_that_is_not_coded_as_it_says_is_refused(coding: str, operator: httpx.Client) -> None:
    packed = PACK[coding](BODY)
    for damaged in (BODY, b"", packed[:-4], packed[:9], packed + b"x", packed + packed):
        answer = operator.post("/Patient", content=damaged, headers={"Content-Encoding": coding})
        (found,) = answer.json()["issue"]
        assert (answer.status_code, found["code"]) == (400, "invalid")
        assert found["details"]["text"] == "The body cannot be unpacked as its Content-Encoding says."


@pytest.mark.parametrize("coding", PACK)
def test_a_body_that_unpacks_to_more_than_the_limit_is_refused(
    coding: str, start_server: harness.ServerFactory
) -> None:
    server = start_server(environment={"KAT_MAX_BODY_BYTES": str(LIMIT)})
    with server.client("admin", "system/*.cruds") as client:
        bomb = PACK[coding](b" " * 50_000_000)
        headers = {"Content-Encoding": coding}
        for url, path in (("/Patient", "POST"), ("/", "POST"), ("/Patient/x", "PUT")):
            answer = client.request(path, url, content=bomb[: LIMIT - 1], headers=headers)
            assert answer.status_code == 413, answer.text
            (found,) = answer.json()["issue"]
            assert found["code"] == "too-long"
            assert found["details"]["text"] == (
                f"The body is larger than {LIMIT} bytes once it is unpacked; send less."
            )
        fits = BODY[:-1] + b" " * (LIMIT - len(BODY)) + b"}"
        assert client.post("/Patient", content=PACK[coding](fits), headers=headers).status_code == 201
        over = BODY[:-1] + b" " * (LIMIT - len(BODY) + 1) + b"}"
        assert client.post("/Patient", content=PACK[coding](over), headers=headers).status_code == 413


@pytest.mark.parametrize("coding", [*PACK, "GZIP", "x-gzip", "identity"])
def test_a_coded_body_is_read(coding: str, operator: httpx.Client) -> None:
    packed = PACK.get(coding.lower().removeprefix("x-"), bytes)(BODY)
    answer = operator.post("/Patient", content=packed, headers={"Content-Encoding": coding})
    assert answer.status_code == 201, answer.text
    assert answer.json().items() >= PATIENT.items()


def test_a_search_form_may_be_coded_too(operator: httpx.Client) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Content-Encoding": "gzip"}
    answer = operator.post(
        "/Patient/_search", content=gzip.compress(b"_id=none&_total=accurate"), headers=headers
    )
    assert answer.json()["total"] == 0


@pytest.mark.parametrize("path", ["/Patient/none", "/metadata"])
def test_who_refuses_every_coding_on_offer_and_none_is_told_so(path: str, anybody: httpx.Client) -> None:
    answer, body = raw(anybody, path, "identity;q=0, deflate")
    assert answer.status_code == 406
    assert (
        json.loads(body)["issue"][0]["details"]["text"]
        == "The content codings on offer are gzip, br and zstd."
    )


@pytest.mark.parametrize("accept_encoding", ["", "identity", "gzip;q=0", "deflate", "identity, gzip;q=0.2"])
def test_who_wants_no_coding_gets_none(accept_encoding: str, operator: httpx.Client, page: str) -> None:
    answer, body = raw(operator, page, accept_encoding)
    assert "content-encoding" not in answer.headers
    assert len(json.loads(body)["entry"]) == 5
    assert answer.headers["vary"] == "Accept, Accept-Encoding"


def test_without_an_accept_encoding_nothing_is_coded(
    server: harness.Server, operator: httpx.Client, page: str
) -> None:
    request = operator.build_request("GET", page)
    del request.headers["accept-encoding"]
    answer = operator.send(request)
    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize("coding", PACK)
@pytest.mark.parametrize("format_", ["json", "xml"])
def test_a_long_answer_is_coded_as_the_client_likes(
    coding: str, format_: str, operator: httpx.Client, page: str
) -> None:
    url = f"{page}&_format={format_}"
    plain_answer, plain = raw(operator, url, "identity")
    answer, body = raw(operator, url, coding)
    assert answer.headers["content-encoding"] == coding
    assert answer.headers["content-type"] == plain_answer.headers["content-type"]
    assert int(answer.headers["content-length"]) == len(body) < len(plain) / 2
    assert UNPACK[coding](body) == plain


def test_what_the_client_likes_best_is_taken_and_among_equals_the_cheapest(
    operator: httpx.Client, page: str
) -> None:
    assert raw(operator, page, "gzip, br;q=0.9, zstd;q=0.8")[0].headers["content-encoding"] == "gzip"
    assert raw(operator, page, "gzip, deflate, br")[0].headers["content-encoding"] == "br"
    assert raw(operator, page, "gzip, deflate, br, zstd")[0].headers["content-encoding"] == "zstd"


def test_a_browser_gets_coded_answers_too(operator: httpx.Client, page: str) -> None:
    answer, body = raw(operator, page, "gzip", Origin="https://app.example")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert len(json.loads(gzip.decompress(body))["entry"]) == 5


def test_a_short_answer_is_coded_only_where_it_must_be(operator: httpx.Client, patient: str) -> None:
    short, _ = raw(operator, f"/Patient/{patient}", "gzip")
    assert "content-encoding" not in short.headers
    forced, body = raw(operator, f"/Patient/{patient}", "gzip, identity;q=0")
    assert json.loads(gzip.decompress(body))["id"] == patient
    assert forced.headers["etag"] == short.headers["etag"] == 'W/"1"'


def test_an_answer_without_content_has_no_coding(operator: httpx.Client, patient: str) -> None:
    headers = {"Accept-Encoding": "gzip, identity;q=0", "If-None-Match": 'W/"1"'}
    known = operator.get(f"/Patient/{patient}", headers=headers)
    deleted = operator.delete(f"/Patient/{patient}", headers=headers)
    assert (known.status_code, deleted.status_code) == (304, 204)
    assert "content-encoding" not in {*known.headers, *deleted.headers}


def test_a_long_refusal_is_coded(operator: httpx.Client) -> None:
    wrong = {"resourceType": "Patient", **{f"wrong{number}": 1 for number in range(30)}}
    answer = operator.post("/Patient", json=wrong, headers={"Accept-Encoding": "br"})
    assert (answer.status_code, answer.headers["content-encoding"]) == (400, "br")
    assert len(answer.json()["issue"]) == 30


def test_the_capability_statement_and_the_contract_are_coded(server: harness.Server) -> None:
    with server.http() as client:
        for path in ("/fhir/metadata", "/openapi.yaml", "/openapi.json", "/docs/swagger-ui-bundle.js"):
            _, plain = raw(client, path, "identity")
            answer, body = raw(client, path, "gzip")
            assert answer.headers["content-encoding"] == "gzip", path
            assert "Accept-Encoding" in answer.headers["vary"]
            assert gzip.decompress(body) == plain
        assert client.get("/openapi.yaml", headers={"Accept-Encoding": "identity;q=0"}).status_code == 406


def test_answers_with_tokens_are_never_coded(server: harness.Server) -> None:
    client = server.add_client("admin", "system/*.cruds")
    form = {"grant_type": "client_credentials", "scope": " ".join(["system/*.cruds"] * 60)}
    with server.http() as http:
        answer = http.post(
            "/oauth/token",
            data=form,
            auth=(client["client_id"], client["client_secret"]),
            headers={"Accept-Encoding": "gzip"},
        )
    assert answer.json()["access_token"]
    assert "content-encoding" not in answer.headers


def test_gzip_with_several_members_is_not_read_beyond_the_first(operator: httpx.Client) -> None:
    empty = zlib.compressobj(wbits=31).flush()
    answer = operator.post("/Patient", content=empty * 10_000, headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 400
