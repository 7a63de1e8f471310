"""Weights on disk: safetensors files, written whole, with what they belong to and their checksum. Never a pickle."""

from __future__ import annotations

import hashlib
import json
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

import equinox as eqx
import jax
import numpy as np

from rfscore.errors import InputError, SolveError, bad
from rfscore.output import write_bytes

Tree = TypeVar("Tree")
KIND = "rfscore checkpoint 1"


def _named(tree: Any) -> dict[str, np.ndarray]:
    """Every array of a tree under its path."""
    leaves = jax.tree_util.tree_leaves_with_path(eqx.filter(tree, eqx.is_array))
    return {jax.tree_util.keystr(path): np.asarray(leaf, order="C") for path, leaf in leaves}


def _finite(arrays: dict[str, np.ndarray]) -> bool:
    numbers = (leaf for leaf in arrays.values() if jax.numpy.issubdtype(leaf.dtype, jax.numpy.inexact))
    return all(bool(np.isfinite(leaf).all()) for leaf in numbers)


def _digest(arrays: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(f"{name}{arrays[name].dtype}{arrays[name].shape}".encode())
        digest.update(arrays[name].tobytes())
    return digest.hexdigest()


def save(path: str | PathLike[str], tree: Any, *, step: int, fingerprint: str) -> Path:
    """Write all arrays of a tree, bit for bit; a reader sees the old file or all of the new one.

    Raises:
        InputError: the folder cannot be written.
        RfscoreError: the disk is full.
        SolveError: NaN or infinity among the numbers: the file stays as it was.
    """
    from safetensors.numpy import save as encode

    arrays = _named(tree)
    if not _finite(arrays):
        raise SolveError(f"the weights at step {step} are not finite: training diverged; lower training.learning_rate "
                         "(what was saved before is kept)")  # fmt: skip
    facts = {"kind": KIND, "step": step, "fingerprint": fingerprint, "sha256": _digest(arrays)}
    # One entry: the format writes several in random order, and equal states should be equal files.
    return write_bytes(path, encode(arrays, metadata={"rfscore": json.dumps(facts)}))


def load(path: str | PathLike[str], like: Tree, *, fingerprint: str) -> tuple[Tree, int]:
    """The tree that `save` wrote, in the structure of `like`, and its step.

    Raises:
        InputError: no such file, damaged, of another run, of another network, or of one that had diverged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load as decode

    path = Path(path)
    try:
        content = path.read_bytes()
        length = int.from_bytes(content[:8], "little")
        facts = dict(json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["rfscore"]))
        arrays = decode(content)
    except OSError as error:
        raise InputError(f"checkpoint {str(path)!r} cannot be read: {error.strerror}; check the path") from error
    except (SafetensorError, ValueError, KeyError, TypeError, MemoryError, OverflowError) as error:
        raise InputError(f"checkpoint {path.name!r} is damaged ({error}); remove it and resume from another") from error
    if facts.get("kind") != KIND or facts.get("sha256") != _digest(arrays):
        raise InputError(f"checkpoint {path.name!r} is damaged (its checksum differs); remove it and train again")
    if facts["fingerprint"] != fingerprint:
        raise InputError(f"checkpoint {path.name!r} belongs to a run with another config; use the run's own folder")
    wanted = {name: (leaf.shape, leaf.dtype) for name, leaf in _named(like).items()}
    if wanted != {name: (leaf.shape, leaf.dtype) for name, leaf in arrays.items()}:
        odd = sorted(set(wanted) ^ set(arrays)) or [
            n for n in wanted if wanted[n] != (arrays[n].shape, arrays[n].dtype)
        ]
        raise bad(f"checkpoint {path.name!r}", f"other arrays, e.g. {odd[0]}", "the arrays of this network")
    if not _finite(arrays):
        raise InputError(f"checkpoint {path.name!r} holds NaN or infinity: training had diverged; remove it and train "
                         "again with a lower training.learning_rate")  # fmt: skip
    dynamic, static = eqx.partition(like, eqx.is_array)
    leaves, structure = jax.tree_util.tree_flatten_with_path(dynamic)
    filled = jax.tree_util.tree_unflatten(structure, [arrays[jax.tree_util.keystr(where)] for where, _ in leaves])
    return eqx.combine(jax.tree.map(jax.numpy.asarray, filled), static), int(facts["step"])
