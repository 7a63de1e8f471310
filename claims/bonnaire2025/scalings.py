"""Claims on how the two times of trained networks scale with n and W, read from the committed run summaries."""

from __future__ import annotations

from claims.bonnaire2025.groups import collapse, exponents, groups, width_exponents
from rfscore.validation.evidence import Comparison, NotTestable
from rfscore.validation.lab import Lab


def gmm_mem_n(lab: Lab) -> list[Comparison]:
    """Figure 9 left: tau_mem proportional to n on the mixture."""
    return exponents(lab, groups(lab, images=False), "tau_onset", 1.0)


def gmm_gen_n(lab: Lab) -> list[Comparison]:
    """Figure 9 left: tau_gen does not depend on n: the lowest KL divergence."""
    return exponents(lab, groups(lab, images=False), "tau_opt", 0.0, "kl")


def gmm_collapse(lab: Lab) -> list[Comparison]:
    """Figure 9 left, inset."""
    return collapse(lab, groups(lab, images=False))


def gmm_mem_width(lab: Lab) -> list[Comparison]:
    """Figure 9 right."""
    return width_exponents(lab, groups(lab, images=False), "tau_onset", 1.0)


def images_mem_n(lab: Lab) -> list[Comparison]:
    """Figure 2: tau_mem proportional to n for U-Nets on images."""
    return exponents(lab, groups(lab, images=True), "tau_onset", 1.0)


def images_gen_n(lab: Lab) -> list[Comparison]:
    """Figure 2: tau_gen does not depend on n, at n of at least 128 as in the paper."""
    return exponents(lab, groups(lab, images=True, where=lambda run: run.n >= 128), "tau_opt", 0.0)


def images_gen_small_n(lab: Lab) -> list[Comparison]:
    """The same at n <= 128, below the paper's range."""
    return exponents(lab, groups(lab, images=True, where=lambda run: run.n <= 128), "tau_opt", 0.0)


def images_collapse(lab: Lab) -> list[Comparison]:
    """Figure 2 left, inset."""
    return collapse(lab, groups(lab, images=True))


def images_mem_width(lab: Lab) -> list[Comparison]:
    """Figure 3C and D."""
    return width_exponents(lab, groups(lab, images=True), "tau_onset", 1.0)


def images_gen_width(lab: Lab) -> list[Comparison]:
    """Figure 3A and B."""
    return width_exponents(lab, groups(lab, images=True), "tau_opt", 1.0)


def full_batch(lab: Lab) -> list[Comparison]:
    """Figure 7 left: runs whose batch is the whole training set."""
    return exponents(lab, groups(lab, where=lambda run: run.facts.get("batch") == run.n), "tau_onset", 1.0)


def guided(lab: Lab) -> list[Comparison]:
    """Figure 10: classifier-free guidance."""
    chosen = [g for g in groups(lab) if g.guided]
    if not chosen:
        raise NotTestable("no run with guidance among the summaries")
    return [*collapse(lab, chosen), *exponents(lab, chosen, "tau_onset", 1.0)]
