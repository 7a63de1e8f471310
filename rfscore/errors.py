"""The two ways rfscore refuses: bad input, and a solution that could not be verified."""

from __future__ import annotations

from typing import Any


class RfscoreError(Exception):
    """Base of every error rfscore raises on purpose."""


class InputError(RfscoreError, ValueError):
    """An argument outside its range: the message gives value, admissible range and remedy."""


class SolveError(RfscoreError, RuntimeError):
    """A computation whose result could not be verified: the message says what to do."""


def bad(name: str, value: Any, admissible: str, remedy: str = "") -> InputError:
    """The one wording of a bad-input error: `name = value; expected ...; remedy`."""
    text = f"{name} = {value!r}: expected {admissible}"
    return InputError(f"{text}; {remedy}" if remedy else text)
