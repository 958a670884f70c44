"""Claims about a run: expressions over its numbers, read by a small grammar, never as Python.

claim   = sum ("<=" | "<" | ">=" | ">" | "==" | "!=") sum
sum     = product {("+" | "-") product}
product = value {("*" | "/") value}
value   = number | name | "(" sum ")" | "-" value
name    = word {"." word}, a word in quotes where it holds other characters
"""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping
from dataclasses import dataclass

from evsim.base.errors import EvsimError, mismatch, nearest

TOKEN = re.compile(
    r"""\s*(?:(?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+)
    |(?P<name>(?:[^\W\d]\w*|'[^']*')(?:\.(?:\w+|'[^']*'))*)
    |(?P<sign><=|>=|==|!=|[<>+*/()-]))""",
    re.VERBOSE,
)
COMPARE = {
    "<=": operator.le,
    "<": operator.lt,
    ">=": operator.ge,
    ">": operator.gt,
    "==": operator.eq,
    "!=": operator.ne,
}
LONGEST, DEEPEST = 400, 20  # characters, brackets within brackets


@dataclass(frozen=True)
class Verdict:
    """What became of a claim: `margin` is how far the measured value lies on the right side."""

    claim: str
    holds: bool
    measured: float
    limit: float
    margin: float


class Claim:
    """An expression over the numbers of a run, parsed; EvsimError where the text is none."""

    def __init__(self, text: str):
        self.text = " ".join(text.split())
        if len(text) > LONGEST:
            raise mismatch(f"a claim of {len(text)} characters", f"at most {LONGEST}", "claim")
        self._tokens, self._at, self._depth = self._read(text), 0, 0
        self.left = self._sum()
        sign = self._take()
        if sign not in COMPARE:
            raise self._wrong(sign, f"one of {' '.join(COMPARE)}")
        self.sign, self.right = sign, self._sum()
        if self._at < len(self._tokens):
            raise self._wrong(self._take(), "the end of the claim")

    def _wrong(self, found, expected: str) -> EvsimError:
        shown = "the end" if found is None else repr(found)
        return EvsimError(f"found {shown}, expected {expected}", f"claim {self.text!r}")

    def _read(self, text: str) -> list[str]:
        tokens, place = [], 0
        while text[place:].strip():
            match = TOKEN.match(text, place)
            if match is None:
                rest = text[place:].strip()[:20]
                raise self._wrong(rest, "numbers, names, + - * / ( ) and one comparison")
            tokens.append(match[0].strip())
            place = match.end()
        return tokens

    def _take(self) -> str | None:
        self._at += 1
        return self._tokens[self._at - 1] if self._at <= len(self._tokens) else None

    def _next(self) -> str | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _sum(self):
        return self._chain(self._product, {"+": operator.add, "-": operator.sub})

    def _product(self):
        return self._chain(self._value, {"*": operator.mul, "/": operator.truediv})

    def _chain(self, part, operators: dict):
        """Parts joined by operators of one rank, from the left."""
        found = part()
        while self._next() in operators:
            found = operators[self._take()], found, part()
        return found

    def _value(self):
        token = self._take()
        if token in ("(", "-"):
            self._depth += 1
            if self._depth > DEEPEST:
                raise self._wrong(token, f"at most {DEEPEST} signs and brackets inside each other")
            found = self._sum() if token == "(" else (operator.sub, 0.0, self._value())
            if token == "(" and (end := self._take()) != ")":
                raise self._wrong(end, "')'")
            self._depth -= 1
            return found
        if token is None or token in COMPARE or token in "+*/)":
            raise self._wrong(token, "a number or a name")
        if token[0].isdigit() or token[0] == ".":
            return float(token)
        return tuple(word.strip("'") for word in re.findall(r"'[^']*'|\w+", token))

    def check(self, values: Mapping) -> Verdict:
        """Whether the claim holds for a run's `values`: nested mappings that end in numbers."""
        left, right = self._number(self.left, values), self._number(self.right, values)
        holds = COMPARE[self.sign](left, right)
        margin = right - left if self.sign in ("<=", "<") else left - right
        return Verdict(self.text, bool(holds), left, right, margin)

    def _number(self, tree, values: Mapping) -> float:
        if isinstance(tree, float):
            return tree
        if callable(tree[0]):
            operation, left, right = tree
            a, b = self._number(left, values), self._number(right, values)
            if operation is operator.truediv and b == 0:
                raise self._wrong("a division by 0", "another divisor")
            return operation(a, b)
        found, walked = values, []
        for word in tree:
            if not isinstance(found, Mapping) or word not in found:
                known = list(found) if isinstance(found, Mapping) else []
                place = f" in {'.'.join(walked)}" if walked else ""
                names = f"one of {', '.join(map(str, known[:12]))}" if known else "a number there"
                raise self._wrong(".".join(tree), f"{names}{place}{nearest(word, known)}")
            found, walked = found[word], [*walked, word]
        if found is None:
            raise self._wrong(".".join(tree), "something this run has measured")
        if isinstance(found, Mapping):
            names = ", ".join(map(str, list(found)[:12]))
            raise self._wrong(".".join(tree), f"a number, one of {'.'.join(walked)}.({names})")
        return found
