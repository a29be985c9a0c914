"""What is asked of a parameter: every value that the documents hold, and what comes near to it.

    questions(resource_type, code, documents) ─► Question(name, value, matches)

``matches`` tells by the slow oracles whether a node of a document is what was asked for; a document matches
when one of its nodes does (or none, for ``:not``). So each question is asked of all documents at once, and a
near miss of one may well be a hit of another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from random import Random
from typing import Any, NamedTuple

from properties import amounts, matching, moments
from properties.documents import BASE, ELSEWHERE
from properties.expressions import Node, components, definitions, evaluate, readable

from models.definitions import RESOURCE_TYPES

ESCAPED = str.maketrans({"\\": r"\\", ",": r"\,", "|": r"\|", "$": r"\$"})

Document = dict[str, Any]
Matches = Callable[[Node], bool]


def never(_nodes: list[Node]) -> bool:
    return False


class Question(NamedTuple):
    """A parameter with its modifier, a value as it is sent, and whether a node is meant by it."""

    name: str
    value: str
    matches: Matches
    negated: bool = False
    together: Callable[[list[Node]], bool] = never
    """Whether several nodes are meant of which none is."""

    def expects(self, nodes: list[Node]) -> bool:
        return (any(map(self.matches, nodes)) or self.together(nodes)) != self.negated


def spelled(text: str) -> str:
    r"""A value as it is sent: commas, bars, dollars and backslashes are escaped."""
    return text.translate(ESCAPED)


def questions(resource_type: str, code: str, nodes: list[Node], chance: Random) -> Iterator[Question]:
    """Every question that the nodes of all documents suggest."""
    kind = definitions(resource_type)[code]["type"]
    if kind in ASKED:
        yield from ASKED[kind](resource_type, code, nodes, chance)
    if kind != "composite":
        yield Question(f"{code}:missing", "false", says_something)
        yield Question(f"{code}:missing", "true", says_something, negated=True)


def says_something(node: Node) -> bool:
    """Whether a node is a value: a Timing that tells no time is none."""
    return node.type != "Timing" or bool(moments.spans(node.value, node.type))


def token(resource_type: str, code: str, nodes: list[Node], chance: Random) -> Iterator[Question]:
    """Codes, with their systems and with others, shorter and longer."""
    for held in dict.fromkeys(one for node in nodes for one in matching.tokens(node)):
        yield from with_system(code, held)
        if held.code:
            yield from without_system(code, held.code)
            if held.systems is not None:
                yield one_token(code, f"|{spelled(held.code)}", "", held.code)
    yield from of_type(code, [node for node in nodes if node.type == "Identifier"])


def one_token(name: str, text: str, system: str | None, code: str) -> Question:
    """A question for a token; no system is any, no code is any."""

    def matches(node: Node) -> bool:
        return any(matching.is_token(one, system, code) for one in matching.tokens(node))

    return Question(name, text, matches, name.endswith(":not"))


def with_system(name: str, held: matching.Token) -> Iterator[Question]:
    """A token by its systems, by another and by one that is a character longer."""
    text = held.code or ""
    for system in [*sorted(held.systems or ()), "urn:z"]:
        if text:
            yield one_token(name, f"{spelled(system)}|{spelled(text)}", system, text)
        if system:
            yield one_token(name, f"{spelled(system)}|", system, "")
            yield one_token(name, f"{spelled(system)}x|{spelled(text)}", f"{system}x", text)


def without_system(name: str, code: str) -> Iterator[Question]:
    """A code of whatever system: in another case, longer, shorter, among others, and not."""
    for text in (code, code.swapcase(), f"{code}x", code[:-1] or "?"):
        yield one_token(name, spelled(text), None, text)
    yield one_token(name, f"nothing,{spelled(code)}", None, code)
    yield one_token(f"{name}:not", spelled(code), None, code)


def of_type(code: str, nodes: list[Node]) -> Iterator[Question]:
    """Identifiers by their type."""
    for node in nodes:
        for kind in node.value.get("type", {}).get("coding", ()):
            if "value" in node.value and "code" in kind and "system" in kind:
                parts = (kind.get("system", ""), kind["code"], node.value["value"])
                for asked in (
                    parts,
                    ("urn:z", *parts[1:]),
                    (*parts[:2], f"{parts[2]}x"),
                    (parts[0], "zz", parts[2]),
                ):
                    sent = "|".join(map(spelled, asked))
                    yield Question(
                        f"{code}:of-type", sent, lambda one, asked=asked: matching.is_typed(one, *asked)
                    )


def reference(resource_type: str, code: str, nodes: list[Node], chance: Random) -> Iterator[Question]:
    """Literals in each of their spellings, other types and ids, and logical references."""
    targets = sorted(
        set(definitions(resource_type)[code].get("target", RESOURCE_TYPES)) & set(RESOURCE_TYPES)
    )

    def ask(name: str, text: str, *meant: str) -> Question:
        return Question(name, text, lambda node: matching.literal(node) in meant)

    for text in dict.fromkeys(filter(None, map(matching.literal, nodes))):
        if any(isinstance(node.value, str) for node in nodes):
            yield from uri(resource_type, code, nodes, chance)
            return
        yield ask(code, text, text)
        yield ask(code, f"{text}2", f"{text}2")
        if "://" in text:
            yield ask(code, text.replace(ELSEWHERE, BASE), text.removeprefix(ELSEWHERE))
            continue
        kind, key = text.split("/")
        yield ask(code, BASE + text, text)
        yield ask(code, f"{ELSEWHERE}{text}", f"{ELSEWHERE}{text}")
        yield ask(code, key, *(f"{one}/{key}" for one in targets))
        for other in {kind, *targets[:3]} & set(targets):
            yield ask(f"{code}:{other}", key, f"{other}/{key}")
            yield ask(code, f"{other}/{key}", f"{other}/{key}")
            yield ask(code, f"nothing/x,{other}/{key}", f"{other}/{key}")
    yield from logical(code, nodes)


def logical(code: str, nodes: list[Node]) -> Iterator[Question]:
    """``:identifier``."""
    held = [Node(node.value["identifier"], "Identifier") for node in nodes if "identifier" in node.value]
    for asked in token("", f"{code}:identifier", held, Random(0)):  # noqa: S311 - nothing is drawn
        if not asked.name.endswith((":not", ":of-type")):
            yield asked._replace(
                matches=lambda node, asked=asked: (
                    isinstance(node.value, dict)
                    and "identifier" in node.value
                    and asked.matches(Node(node.value["identifier"], "Identifier"))
                )
            )


def string(resource_type: str, code: str, nodes: list[Node], chance: Random) -> Iterator[Question]:
    """Beginnings, wholes and parts, in another case, and one character too many."""
    folded = matching.normalized

    def ask(modifier: str, text: str, test: Callable[[str, str], bool]) -> Question:
        name = f"{code}:{modifier}" if modifier else code
        asked = Question(
            name, spelled(text), lambda node: any(test(one, text) for one in matching.strings(node))
        )
        return asked if modifier else asked._replace(together=partial(has_each_word, folded(text).split()))

    for text in dict.fromkeys(one for node in nodes for one in matching.strings(node)):
        for asked in (text, text.upper(), text[: len(text) // 2 + 1], folded(text), f"{text}§", text[1:]):
            if asked.strip():
                yield ask("", asked, lambda one, asked: folded(one).startswith(folded(asked)))
                yield ask("exact", asked, lambda one, asked: one == asked)
                yield ask("contains", asked, lambda one, asked: folded(asked) in folded(one))


def has_each_word(words: list[str], nodes: list[Node]) -> bool:
    """Whether each of several words begins a part of a name or an address, or goes on after such."""
    parts = [
        matching.normalized(one)
        for node in nodes
        if node.type in matching.PARTS
        for one in matching.strings(node)
    ]
    are_several = 1 < len(words) <= 6
    runs = [[" ".join(words[first : last + 1]) for first in range(last + 1)] for last in range(len(words))]
    return are_several and all(any(part.startswith(tuple(run)) for part in parts) for run in runs)


def uri(resource_type: str, code: str, nodes: list[Node], chance: Random) -> Iterator[Question]:
    """Uris in another case, shorter and longer, and by where they lie."""

    def ask(name: str, text: str, test: Callable[[str, str], bool]) -> Question:
        return Question(name, spelled(text), lambda node: test(node.value, text))

    is_uri = definitions(resource_type)[code]["type"] == "uri"
    for text in dict.fromkeys(node.value for node in nodes):
        for asked in (text, text.partition("|")[0], f"{text}x", text.swapcase(), text[:-1], f"{text}|9"):
            yield ask(code, asked, lambda one, asked: asked in matching.unversioned(one))
        for place in (text, text.rpartition("/")[0], f"{text}/deeper") if is_uri else ():
            if place not in {"", "http:/"}:
                yield ask(f"{code}:below", place, any_version(matching.is_below))
                yield ask(
                    f"{code}:above", place, any_version(lambda one, asked: matching.is_below(asked, one))
                )


def composite(resource_type: str, code: str, nodes: list[Node], chance: Random) -> Iterator[Question]:
    """Pairs of questions of the components: of one element, of two, and of none."""
    parts = components(resource_type, code)
    offered = [
        halves(
            resource_type,
            name,
            [below for node in nodes for below in half(resource_type, name, path, node)],
            chance,
        )
        for name, path in parts
    ]
    for first in offered[0]:
        for second in offered[1]:
            tests = [
                (name, path, asked.matches)
                for (name, path), asked in zip(parts, (first, second), strict=True)
            ]
            yield Question(code, f"{first.value}${second.value}", partial(paired, resource_type, tests))


def halves(resource_type: str, name: str, nodes: list[Node], chance: Random) -> list[Question]:
    """A few questions of one component, without modifiers."""
    found = [asked for asked in questions(resource_type, name, nodes, chance) if asked.name == name]
    plain = [
        asked for asked in found if not asked.value.endswith("|") and not asked.value.startswith("nothing")
    ]
    return chance.sample(plain, min(len(plain), 9))


def half(resource_type: str, name: str, path: str, node: Node) -> list[Node]:
    """The nodes of one component below a base node."""
    return readable(evaluate(path, node), definitions(resource_type)[name]["type"])


def paired(resource_type: str, tests: list[tuple[str, str, Matches]], node: Node) -> bool:
    """Whether both components are found below the same node."""
    return all(any(map(test, half(resource_type, name, path, node))) for name, path, test in tests)


def any_version(test: Callable[[str, str], bool]) -> Callable[[str, str], bool]:
    """Whether a test holds for a canonical, with its version or without."""
    return lambda one, asked: any(test(each, asked) for each in matching.unversioned(one))


def date(resource_type: str, code: str, nodes: list[Node], chance: Random) -> Iterator[Question]:
    """Every prefix with dates of any precision."""
    for prefix in moments.PREFIXES:
        for asked in [moments.date_time(chance) for _ in range(3)]:
            yield Question(code, f"{prefix}{asked}", partial(dated, prefix, asked))


def dated(prefix: str, asked: str, node: Node) -> bool:
    return any(moments.agrees(prefix, held, asked) for held in moments.spans(node.value, node.type))


def quantity(resource_type: str, code: str, nodes: list[Node], chance: Random) -> Iterator[Question]:
    """Every prefix with numbers of any precision, without and with a unit of the same and of another kind."""
    with_units = definitions(resource_type)[code]["type"] == "quantity"
    for prefix in amounts.PREFIXES:
        for _ in range(5):
            asked = amounts.asked(chance, with_unit=with_units)
            yield Question(code, f"{prefix}{asked}", partial(counted, prefix, asked))


def counted(prefix: str, asked: str, node: Node) -> bool:
    return any(amounts.agrees(prefix, held, asked) for held in amounts.stored(node.value, node.type))


ASKED: dict[str, Callable[[str, str, list[Node], Random], Iterator[Question]]] = {
    "token": token,
    "reference": reference,
    "string": string,
    "uri": uri,
    "date": date,
    "number": quantity,
    "quantity": quantity,
    "composite": composite,
}
