"""A user's own network, by the text "module:function" of a config."""

from __future__ import annotations

import hashlib
import importlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rfscore.errors import bad


def function(kind: str) -> Callable[..., Any]:
    """What `network.kind = "module:function"` names: called as function(shape, width=W, classes=..., key=key).

    `shape` is that of one point, (1, h, w) or (d,); `classes` is 0 for an unconditional network. It answers with an
    `eqx.Module`, whose arrays are trained from the values that it gave them, and which is called as
    network(x, index, label, key) with one point, its place in the schedule (0 ... 999), its class or None and a key or
    None (none while measuring), and answers with the noise in x.

    Raises:
        InputError: no such module or function.
    """
    module, _, name = kind.partition(":")
    if module in ("__main__", "__mp_main__"):
        raise bad("network.kind", kind, "a function in a module of its own", "move it from the script into a file.py")
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except AttributeError as error:
        raise bad("network.kind", kind, f"a function of the module {module!r}", str(error)) from error
    except Exception as error:  # a user's file may fail in any way
        raise bad("network.kind", kind, "a module that can be imported",
                  f"{type(error).__name__}: {error}; put its folder on PYTHONPATH") from error  # fmt: skip
    if not callable(found):
        raise bad("network.kind", kind, "a function or class there", f"it is a {type(found).__name__}")
    return found  # type: ignore[no-any-return]


def source(kind: str) -> str:
    """Checksum of the file that defines it, so that a changed network does not go on from another's checkpoint.

    Raises:
        InputError: no such function, or its source cannot be read.
    """
    try:
        path = inspect.getsourcefile(inspect.unwrap(function(kind)))
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()  # type: ignore[arg-type]
    except (TypeError, OSError) as error:
        raise bad("network.kind", kind, "a function whose source can be read", "define it in a module file") from error
