"""Shapes written in annotations are checked at run time (beartype, jaxtyping) in the modules behind the public ones.

Public functions take lists and refuse bad shapes with a message of their own, which a type error must not pre-empt;
and their annotations name the NumPy result that `rfscore._precision.float64` makes of a JAX array.
"""

from __future__ import annotations

import jaxtyping

CHECKED = [
    "rfscore.finite.equivalent",
    "rfscore.finite.features",
    "rfscore.finite.hermite",
    "rfscore.finite.instance",
    "rfscore.finite.modes",
    "rfscore.finite.pairs",
    "rfscore.theory.contour",
    "rfscore.theory.gaps",
    "rfscore.theory.real_curve",
    "rfscore.networks.mixture",
    "rfscore.networks.mlp",
    "rfscore.networks.unet",
]

jaxtyping.install_import_hook(CHECKED, "beartype.beartype")
