"""What the columns of a log mean, by their names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from rfscore.errors import bad
from rfscore.runs.summary import COLUMNS

#: What a log may hold, and the option that names its column.
OPTIONS = {"step": "--step", "train_loss": "--train", "test_loss": "--test", "f_mem": "--fmem", "frechet": "--fid"}
#: Names of the training time, in the order in which they are preferred.
STEPS = ("tau", "global_step", "step", "steps", "train_step", "training_step", "optimizer_step", "n_steps", "iteration",
         "iterations", "iter", "iters", "it", "itr", "update", "updates", "epoch", "epochs")  # fmt: skip
SIZES = {
    "n": ("n", "n_train", "ntrain", "num_train", "n_training", "train_size", "n_images", "num_images", "n_samples",
          "num_samples", "n_data", "dataset_size", "training_points", "max_train_samples"),
    "W": ("w", "width", "base_width", "base_channels", "n_base", "nbase", "model_channels"),
    "seed": ("seed",),
}  # fmt: skip
TEST = {"val", "valid", "validation", "test", "testing", "eval", "evaluation", "heldout", "dev"}
TRAIN = {"train", "training"}
_LOSS = {"loss", "losses", "mse", "objective"}
_NOT = {"min", "max", "std", "var", "low", "high", "lr", "grad", "stderr", "memory", "scale", "weight"}
_SHARE = {"fraction", "frac", "ratio", "rate", "share", "percent", "percentage", "pct"}
PERCENT = {"percent", "percentage", "pct"}


def words(name: str) -> list[str]:
    """The words of a name in small letters.

    Example:
        >>> from rfscore.runs.columns import words
        >>> words("trainLoss/step (%)"), words("f_mem")
        (['train', 'loss', 'step', 'percent'], ['f', 'mem'])
    """
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name.replace("%", " percent "))
    return [word.lower() for word in re.findall(r"[A-Za-z0-9]+", spaced)]


def size_of(name: str) -> str | None:
    """Whether a column or setting of this name is n, W or the seed; None when neither."""
    joined = "_".join(words(re.split(r"[/.]", name)[-1]))
    return next((key for key, known in SIZES.items() if joined in known), None)


def role_of(name: str) -> str | None:
    """Which curve a column is; None when its name does not say."""
    found = words(name)
    if "_".join(found) in STEPS or "_".join(words(name.split("/")[-1])) in STEPS:
        return "step"
    if set(found) & _NOT:
        return None
    if "fid" in found or "frechet" in found:
        return "frechet"
    memorised = any(word.startswith("memor") or word == "fmem" for word in found)
    if memorised or ("mem" in found and set(found) & ({"f"} | _SHARE)):
        return "f_mem"
    if not set(found) & _LOSS:
        return None
    # "train/val_loss" is the loss of the validation: the word nearest to "loss" decides.
    at = max(i for i, word in enumerate(found) if word in _LOSS)
    near = sorted((i for i, word in enumerate(found) if word in TEST | TRAIN), key=lambda i: (abs(i - at), i > at))
    return "test_loss" if near and found[near[0]] in TEST else "train_loss"


def assigned(names: Iterable[str], given: Mapping[str, str], what: str) -> dict[str, str]:
    """Role -> column: as given, else by name.

    Raises:
        InputError: a given column is not there; two columns could be one curve; no training step.
    """
    names = list(names)
    listed = ", ".join(repr(name) for name in names)
    for role, name in given.items():
        if name not in names:
            raise bad(f"{OPTIONS.get(role, role)} of {what}", name, f"one of the columns {listed}")
    roles = dict(given)
    own = {f"{base}{end}" for base in COLUMNS for end in ("", "_low", "_high")}
    roles |= {name: name for name in names if name in own and name not in roles}
    left = [name for name in names if name not in roles.values() and size_of(name) is None]
    for role in OPTIONS:
        fitting = [name for name in left if role_of(name) == role]
        if role in roles or not fitting:
            continue
        if role == "step":
            ranked = sorted(fitting, key=_step_rank)
            fitting = ranked[:1] if len(ranked) == 1 or _step_rank(ranked[0]) < _step_rank(ranked[1]) else ranked
        if len(fitting) > 1:
            raise bad(f"columns of {what}", fitting, f"one of them as {role}", f"say which by {OPTIONS[role]} NAME")
        roles[role] = fitting[0]
    if "step" not in roles:
        raise bad(f"columns of {what}", names, "one with the training step", "name it by --step NAME")
    if not set(roles) - {"step"}:
        raise bad(f"columns of {what}", names, "a loss or a memorised fraction",
                  "name them by --train, --test and --fmem NAME")  # fmt: skip
    return roles


def _step_rank(name: str) -> tuple[int, int]:
    """Preferred names first; of one kind the one that is not a logger's own counter of calls (_step)."""
    joined, last = "_".join(words(name)), "_".join(words(name.split("/")[-1]))
    return STEPS.index(joined if joined in STEPS else last), int(name.startswith("_"))
