"""Makes what a PBX shows fit to be shown to others: extensions stay, everything that names a person is invented anew.

An outside number becomes another one of the same length, always the same one. Numbers with the same end keep the same
end, because a PBX writes one number in several ways (`030…`, `+4930…`), and zeros stay zeros: so whatever compares
numbers comes to the same result. A name becomes `name-…`, a device's address `device-…`, any other text `text-…`.
Nobody can go back without the key, which is made for one capture and is never written. Pure.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

_PHONE = re.compile(r"[+*#0-9 ()./-]*[0-9][+*#0-9 ()./-]*")
_DN = re.compile(r"[A-Za-z0-9_.*#+-]{1,32}")
_SHORT = re.compile(r"[*#0-9]{1,6}")  # a DN of which the numbering plan does not tell
_WORD = re.compile(r"[A-Za-z][A-Za-z_]{0,39}")
_EXTENSION = "Ext."
_KEPT = frozenset(("", "MAKECALL", "ROUTER", "anonymous", "Anonymous"))
_REASON = re.compile(r"(?P<before>.*?)(?P<phrase>Ended by|was replaced by|forwarded to)(?P<after>.*)", re.DOTALL)
_PERSON = re.compile(r"\s*(?P<name>.*?)\s*(?:\((?P<number>[^()]*)\))?\s*", re.DOTALL)
_STAMP = re.compile(r"[0-9A-Fa-f-]{32,36}|\d{4}-\d\d-\d\dT[0-9:.Z+-]{5,25}|P[0-9DTHMS.]{1,40}")
_PHRASES = frozenset(
    ("Inbound", "Inbound Queue", "Outbound", "Internal", "Answered", "Unanswered", "Queue", "Extension", "IVR")
)
_MOST_KEPT = 100_000  # pseudonyms that are remembered, for speed alone


class Mask:
    """The masks of one capture; `key` is secret and random."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._dns: Collection[str] = frozenset()
        self._digits: dict[str, str] = {}

    def knows(self, dns: Collection[str]) -> None:
        """These are DNs of the PBX, and stay."""
        self._dns = frozenset(dn for dn in dns if _DN.fullmatch(dn))

    def number(self, text: str) -> str:
        """An outside number as another one."""
        masked: list[str] = []
        end = ""
        for character in reversed(text):
            if character.isdigit():
                masked.append(self._digit(character, end))
                end = character + end
            else:
                masked.append(character)
        return "".join(reversed(masked))

    def name(self, text: str) -> str:
        """A name as a word that says nothing."""
        return self._pseudonym("name", " ".join(text.split()).casefold())

    def device(self, text: str) -> str:
        """The address of a device."""
        return self._pseudonym("device", text) if text else ""

    def text(self, text: str) -> str:
        """A text of which nothing is known."""
        return self._pseudonym("text", text) if text else ""

    def dn(self, text: str) -> str:
        """A text where a DN stands: it stays, unless it looks like an outside number or a person."""
        if text in self._dns or text in _KEPT or _SHORT.fullmatch(text):
            return text
        return self.number(text) if _PHONE.fullmatch(text) and " " not in text else self.name(text)

    def party(self, text: str) -> str:
        """A text where the number or the name of either side stands."""
        inside = text.removeprefix(_EXTENSION)
        if text in _KEPT or text in self._dns or (inside != text and _SHORT.fullmatch(inside)):
            return text
        return self.number(text) if _PHONE.fullmatch(text) else self.name(text)

    def word(self, text: str) -> str:
        """A status or a kind: it stays when it is one word of letters."""
        return text if _WORD.fullmatch(text) else self.text(text)

    def phrase(self, text: str) -> str:
        """A direction, a type or a state of the call log."""
        return text if text in _PHRASES else self.word(text)

    def stamp(self, text: str) -> str:
        """A time, a duration, or an id that is made of a time and a counter."""
        return text if _STAMP.fullmatch(text) else self.text(text)

    def reason(self, text: str) -> str:
        """The call log's sentence about an end: who, but not the name."""
        found = _REASON.fullmatch(text)
        if found is None:
            return self.text(text)
        return " ".join(filter(None, (self._person(found["before"]), found["phrase"], self._person(found["after"]))))

    def rule(self, number: str) -> str:
        """The number of an inbound rule, perhaps only its end behind an asterisk."""
        return self.number(number) if _PHONE.fullmatch(number) and " " not in number else self.name(number)

    def unknown(self, value: object) -> str:
        """A value of which nothing is known, as text."""
        match value:
            case bool() | None:
                return str(value).lower()
            case int() | float():
                text = str(value)
                return text if len(text) <= 4 else self.text(text)  # noqa: PLR2004 - too short for an outside number
            case str():
                return value if value in self._dns else self.text(value)
            case _:
                return "[]" if isinstance(value, list) else "{}"

    def _person(self, text: str) -> str:
        found = _PERSON.fullmatch(text)
        name, number = (found["name"], found["number"]) if found is not None else (text, None)
        masked = self.party(name) if name else ""
        return masked if number is None else f"{masked} ({self.party(number)})".strip()

    def _digit(self, digit: str, end: str) -> str:
        """Which digit stands for this one before that end: zero for zero, each other digit for one other."""
        if digit == "0":
            return "0"
        order = self._digits.get(end)
        if order is None:
            seed = hmac.digest(self._key, f"digit {end}".encode(), hashlib.sha256)
            order = "".join(sorted("123456789", key=lambda one: seed[int(one)]))
            if len(self._digits) >= _MOST_KEPT:
                self._digits.clear()
            self._digits[end] = order
        return order["123456789".find(digit)] if digit in "123456789" else digit

    def _pseudonym(self, kind: str, text: str) -> str:
        return f"{kind}-{hmac.digest(self._key, f'{kind} {text}'.encode(), hashlib.sha256).hex()[:8]}"
