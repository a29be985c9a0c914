"""Reads the part of FHIRPath that a patch needs to name an element.

    Patient.name.where(use = 'official').given[0]
    Observation.value.ofType(Quantity).unit         (Observation.value as Quantity).unit
    Patient.extension('http://example.org/x').value Patient.contact.last().telecom.first()

    path       members, [n], first(), last(), where(…), ofType(…), as(…), extension('…')
    where(…)   path = literal, path != literal, path.exists(), path.empty(), and, or, parentheses

It is a reader of our own: a patch needs the places of values, where libraries such as fhirpathpy return
the values alone; and a whole FHIRPath brings functions that no stranger should run here, such as
``matches`` with a regular expression of theirs. Whatever is not listed is refused, never guessed.

Source: https://hl7.org/fhir/R4/fhirpatch.html, http://hl7.org/fhirpath/N1/
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple, TypeVar

from service.patch.operations import Effort, Refused

MAXIMUM_LENGTH = 2_000
_MAXIMUM_NESTING = 8
_MAXIMUM_INDEX_LENGTH = 9

_TOO_LONG = f"A path may have at most {MAXIMUM_LENGTH} characters."
_TOO_NESTED = f"A path may be nested at most {_MAXIMUM_NESTING} deep."
_NOT_READABLE = (
    "The path is not understood. Use members, [n], first(), last(), where(), ofType(), as() and "
    "extension(), such as Patient.name.where(use = 'official').given[0]."
)
_OTHER_TYPE = "The path must start with the type of the resource."

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<string>'(?:[^'\\]|\\.)*')
      | (?P<date>@[0-9TZ:+.\-]+)
      | (?P<number>-?[0-9]+(?:\.[0-9]+)?)
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<quoted>`[A-Za-z_][A-Za-z0-9_]*`)
      | (?P<symbol>!=|\$this|[.()\[\]=])
    )""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
_ROOTS = frozenset({"Resource", "DomainResource"})

Literal = str | Decimal | bool
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Member:
    """Go to an element by its name, or by the name of the choice it belongs to."""

    name: str


@dataclass(frozen=True, slots=True)
class At:
    """Keep one of the nodes; -1 is the last."""

    index: int


@dataclass(frozen=True, slots=True)
class OfType:
    """Keep the nodes of a type."""

    type: str


@dataclass(frozen=True, slots=True)
class Where:
    """Keep the nodes for which something is true."""

    criterion: Criterion


@dataclass(frozen=True, slots=True)
class Compared:
    """A path leads to one value, and it is, or is not, this literal."""

    path: tuple[Step, ...]
    literal: Literal
    equal: bool


@dataclass(frozen=True, slots=True)
class Found:
    """A path leads to something, or to nothing."""

    path: tuple[Step, ...]
    expected: bool


@dataclass(frozen=True, slots=True)
class Combined:
    """All, or any, of some criteria are true."""

    criteria: tuple[Criterion, ...]
    needs_all: bool


Step = Member | At | OfType | Where
Criterion = Compared | Found | Combined


class _Token(NamedTuple):
    kind: str
    text: str


def parse(path: str, resource_type: str, effort: Effort) -> tuple[Step, ...]:
    """Read a path as steps from the resource; raises ``Refused``, with nothing of the path in its text."""
    if len(path) > MAXIMUM_LENGTH:
        raise Refused(_TOO_LONG)
    tokens = _tokens(path)
    effort.spend(len(tokens))
    reader = _Reader(tokens)
    steps = reader.path()
    reader.expect_end()
    first = steps[0]
    if not isinstance(first, Member):
        raise Refused(_NOT_READABLE)
    if first.name == resource_type or first.name in _ROOTS:
        return tuple(steps[1:])
    if first.name[0].isupper():
        raise Refused(_OTHER_TYPE)
    return tuple(steps)


def _tokens(path: str) -> list[_Token]:
    tokens: list[_Token] = []
    position, text = 0, path.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise Refused(_NOT_READABLE)
        tokens.append(_Token(match.lastgroup, match[match.lastgroup]))
        position = match.end()
    return tokens


class _Reader:
    """Reads tokens from left to right, never going back."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._position = 0
        self._nesting = 0

    def path(self) -> list[Step]:
        """Read a path, with an ``as`` behind it if there is one."""
        steps = self._nested(self.path) if self._take("(") else self._invocation()
        steps += self._rest()
        if self._take("as"):
            steps.append(OfType(self._type()))
        return steps

    def expect_end(self) -> None:
        """Refuse whatever is left."""
        if self._position < len(self._tokens):
            raise Refused(_NOT_READABLE)

    def _rest(self) -> list[Step]:
        steps: list[Step] = []
        while True:
            if self._take("["):
                steps.append(At(self._index()))
            elif self._peek(".") and not self._tests_next():
                self._take(".")
                steps += self._invocation()
            else:
                return steps

    def _invocation(self) -> list[Step]:
        name = self._name()
        if not self._take("("):
            return [Member(name)]
        function = self._functions().get(name)
        if function is None:
            raise Refused(_NOT_READABLE)
        return self._nested(function)

    def _functions(self) -> dict[str, Callable[[], list[Step]]]:
        return {
            "first": lambda: [At(0)],
            "last": lambda: [At(-1)],
            "where": lambda: [Where(self._any_of())],
            "ofType": lambda: [OfType(self._type())],
            "as": lambda: [OfType(self._type())],
            "extension": self._extension,
        }

    def _extension(self) -> list[Step]:
        url = self._next("string").text
        return [Member("extension"), Where(Compared((Member("url"),), _unquoted(url), equal=True))]

    def _any_of(self) -> Criterion:
        return self._combined("or", lambda: self._combined("and", self._term, needs_all=True))

    def _combined(self, word: str, operand: Callable[[], Criterion], *, needs_all: bool = False) -> Criterion:
        criteria = [operand()]
        while self._take(word):
            criteria.append(operand())
        return Combined(tuple(criteria), needs_all) if len(criteria) > 1 else criteria[0]

    def _term(self) -> Criterion:
        if self._take("("):
            return self._nested(self._any_of)
        steps = tuple([] if self._take("$this") else self._invocation()) + tuple(self._rest())
        if self._take("."):
            found = Found(steps, self._name() == "exists")
            self._next("symbol", "(")
            self._next("symbol", ")")
            return found
        equal = self._take("=")
        if not equal:
            self._next("symbol", "!=")
        return Compared(steps, self._literal(), equal)

    def _nested(self, read: Callable[[], Result]) -> Result:
        self._nesting += 1
        if self._nesting > _MAXIMUM_NESTING:
            raise Refused(_TOO_NESTED)
        result = read()
        self._next("symbol", ")")
        self._nesting -= 1
        return result

    def _literal(self) -> Literal:
        token = self._next()
        if token.kind == "string":
            return _unquoted(token.text)
        if token.kind == "date":
            return token.text[1:]
        if token.kind == "number":
            return Decimal(token.text)
        if token.text in {"true", "false"}:
            return token.text == "true"
        raise Refused(_NOT_READABLE)

    def _index(self) -> int:
        text = self._next("number").text
        self._next("symbol", "]")
        if not text.isdecimal() or len(text) > _MAXIMUM_INDEX_LENGTH:
            raise Refused(_NOT_READABLE)
        return int(text)

    def _type(self) -> str:
        name = self._name()
        return self._name() if name == "FHIR" and self._take(".") else name

    def _name(self) -> str:
        token = self._next()
        if token.kind not in {"name", "quoted"}:
            raise Refused(_NOT_READABLE)
        return token.text.strip("`")

    def _tests_next(self) -> bool:
        """Whether ``.exists()`` or ``.empty()`` comes next, which is no step but the end of a criterion."""
        following = self._tokens[self._position : self._position + 3]
        texts = [token.text for token in following]
        return texts in ([".", "exists", "("], [".", "empty", "("])

    def _peek(self, text: str) -> bool:
        return self._position < len(self._tokens) and self._tokens[self._position].text == text

    def _take(self, text: str) -> bool:
        found = self._peek(text)
        self._position += found
        return found

    def _next(self, kind: str | None = None, text: str | None = None) -> _Token:
        if self._position == len(self._tokens):
            raise Refused(_NOT_READABLE)
        token = self._tokens[self._position]
        if (kind or token.kind) != token.kind or (text or token.text) != token.text:
            raise Refused(_NOT_READABLE)
        self._position += 1
        return token


def _unquoted(text: str) -> str:
    return _ESCAPE.sub(_unescaped, text[1:-1])


def _unescaped(match: re.Match[str]) -> str:
    escape = match[1]
    return chr(int(escape[1:], 16)) if len(escape) > 1 else _ESCAPES.get(escape, escape)
