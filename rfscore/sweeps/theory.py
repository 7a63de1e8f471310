"""Many problems by theory at once: losses, timescales and best stopping, in one vmapped, compiled call a batch."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

import rfscore as rf
from rfscore.model.problem import ScoreProblem
from rfscore.sweeps.outcome import Outcome, failed, found
from rfscore.theory import assemble, contours
from rfscore.theory import resolvent as rs
from rfscore.theory import stopping as st
from rfscore.theory.equivalent import equivalent
from rfscore.theory.losses import flow_losses
from rfscore.theory.timescales import NO_EDGE

#: Problems solved side by side in one compiled call; fewer are filled up, so that one program serves every batch.
BATCH = 32
_RTOL = 1e-11
T = TypeVar("T")
_SCALES = ("tau_gen_scale", "tau_mem_edge", "tau_last_edge", "tau_mem_law", "lambda_min", "lambda_lowest")


@partial(jax.jit, static_argnames=("tau", "windows", "rays", "ridged"))
def _batch(
    problems: ScoreProblem, slowest: Float[Array, " B"], tau: tuple[float, ...], windows: int, rays: bool, ridged: bool
) -> tuple[Any, ...]:
    """Losses at tau and at infinity, best stopping and status of every problem; all have a ridge, or none has."""
    times = np.append(tau, np.inf)
    group = assemble.grouped(times, _RTOL)

    def one(problem: ScoreProblem, slow: Array) -> tuple[Any, ...]:
        eq = equivalent(problem)
        count = contours.node_count(_RTOL, group.span)
        train, test, status = flow_losses(
            eq, problem.rate, problem.ridge if ridged else None, times[group.member], count, group.span
        )
        train, test = (value[group.row, group.column] for value in (train, test))
        error = (test - assemble.least_loss(problem, eq)) / problem.delta
        best = st.best_stopping(problem, slow, train[-1], test[-1], windows, rays, ridged)
        return train, test, error, best, status.max()

    return jax.vmap(one)(problems, slowest)


def evaluate(problems: Sequence[ScoreProblem], tau: Sequence[float]) -> list[Outcome]:
    """What theory says of each problem.

    The same numbers as `rf.loss_curves` (to 1e-11) and `rf.timescales`; best stopping from its own contours, see
    `rfscore.theory.stopping`. A problem that cannot be solved fails alone.

    Args:
        problems: any number of problems.
        tau: ascending training times, 0 and inf allowed.

    Returns:
        One Outcome each: train, test, gap and score_error at tau; train_inf, test_inf; tau_gen_scale, tau_mem_edge,
        tau_last_edge, tau_mem_law, lambda_min, lambda_lowest of the spectrum; tau_opt, test_opt, train_opt (lowest
        test loss), tau_half (L_test - L_train reaches half of its final value), overtraining = test_inf - test_opt, two
        windows of times.

    Example:
        >>> import rfscore as rf
        >>> from rfscore.sweeps import theory
        >>> best = theory.evaluate([rf.ScoreProblem(4.0, 16.0, 0.1)], [1e3])[0]
        >>> print(f"{best.values['tau_opt']:.2f} {best.values['test_opt']:.5f} of {best.values['test_inf']:.5f}")
        14.03 0.83245 of 1.84385
    """
    outcomes: dict[int, Outcome] = {}
    groups: dict[tuple, list[_Member]] = {}
    kinds: dict[tuple, list[int]] = {}
    for i, problem in enumerate(problems):  # one compiled program for all problems of one structure
        shapes = tuple(np.shape(leaf) for leaf in jax.tree_util.tree_leaves(problem))
        kind = (jax.tree_util.tree_structure(problem), shapes, bool(problem.ridge))
        kinds.setdefault(kind, []).append(i)
    for kind, members in kinds.items():
        for part in _batches(members):
            scales, ratio = _spectral([problems[i] for i in part])
            for i, numbers, span in zip(part, scales, ratio, strict=True):
                if np.isfinite(span):
                    group = groups.setdefault((*kind, st.windows_needed(span)), [])
                    group.append(_Member(i, problems[i], dict(zip(_SCALES, numbers.tolist(), strict=True))))
                else:
                    outcomes[i] = failed(rf.SolveError(NO_EDGE))
    for (*_, ridged, windows), found_of_kind in groups.items():
        for batch in _batches(found_of_kind):
            for member, outcome in zip(batch, _solve(batch, tuple(tau), windows, ridged), strict=True):
                outcomes[member.place] = outcome
    return [outcomes[i] for i in range(len(problems))]


class _Member(NamedTuple):
    """A problem of a batch, its place among all, and the scales of its spectrum."""

    place: int
    problem: ScoreProblem
    scales: dict[str, float]


def _batches(members: list[T]) -> list[list[T]]:
    return [members[start : start + BATCH] for start in range(0, len(members), BATCH)]


def _stacked(problems: Sequence[ScoreProblem]) -> ScoreProblem:
    """One problem with a leading axis of length `BATCH`, filled up with the first."""
    filled = [*problems, *[problems[0]] * (BATCH - len(problems))]
    return jax.tree_util.tree_map(lambda *leaves: jnp.asarray(np.stack(leaves)), *filled)


@jax.jit
def _edges(problems: ScoreProblem) -> tuple[Array, Array]:
    """`_SCALES` of every problem, and the span of times that its losses need."""

    def one(problem: ScoreProblem) -> tuple[Array, Array]:
        found = rf.timescales(problem)
        span = st.LAST * equivalent(problem).top / (st.FIRST * found.lambda_lowest)
        return jnp.stack([jnp.asarray(getattr(found, name)) for name in _SCALES]), span

    return jax.vmap(one)(problems)


def _one_by_one(problem: ScoreProblem) -> tuple[list[float], float]:
    """The same of one problem with several classes, whose edges are scanned for."""
    try:
        found = rf.timescales(problem)
    except rf.SolveError:
        return [np.nan] * len(_SCALES), np.nan
    span = st.LAST * float(equivalent(problem).top) / (st.FIRST * float(found.lambda_lowest))
    return [float(getattr(found, name)) for name in _SCALES], span


def _spectral(problems: Sequence[ScoreProblem]) -> tuple[np.ndarray, np.ndarray]:
    if problems[0].classes().fractions.shape[0] > 1:
        several, spans = zip(*map(_one_by_one, problems), strict=True)
        return np.array(several), np.array(spans)
    with jax.enable_x64(True):
        scales, span = _edges(_stacked(problems))
        return np.asarray(scales)[: len(problems)], np.asarray(span)[: len(problems)]


def _solve(part: list[_Member], tau: tuple[float, ...], windows: int, ridged: bool) -> list[Outcome]:
    """One batch; what the fast path left unverified is repeated on the slow one, and only then fails."""
    slowest = [member.scales["lambda_lowest"] for member in part]
    slowest += slowest[:1] * (BATCH - len(part))
    with jax.enable_x64(True):
        stacked = _stacked([member.problem for member in part])
        results = []
        for rays in (True, False):
            found_now = _batch(stacked, np.array(slowest), tau, windows, rays, ridged)
            results.append(jax.tree_util.tree_map(np.asarray, found_now))
            if not np.any(results[-1][3].remark[: len(part)] & st.UNVERIFIED):
                break
    outcomes = []
    for k, member in enumerate(part):
        doubtful = bool(results[0][3].remark[k] & st.UNVERIFIED)
        own = jax.tree_util.tree_map(lambda x, k=k: x[k], results[-1 if doubtful else 0])
        outcomes.append(_outcome(own, member.scales))
    return outcomes


def _outcome(result: tuple[Any, ...], scales: dict[str, float]) -> Outcome:
    train, test, error, best, status = result
    if status != rs.OK:
        return failed(rf.SolveError(f"losses: {assemble.STATUS[int(status)]}"))
    if best.remark & st.UNVERIFIED:
        return failed(rf.SolveError(f"best stopping: {st.REMARKS[st.UNVERIFIED]}"))
    values = {
        "train": train[:-1], "test": test[:-1], "gap": test[:-1] - train[:-1], "score_error": error[:-1],
        "train_inf": train[-1], "test_inf": test[-1], **scales,
        "window_edge": scales["tau_mem_edge"] / scales["tau_gen_scale"],
        "tau_opt": best.tau_opt, "test_opt": best.test_opt, "train_opt": best.train_opt, "tau_half": best.tau_half,
        "overtraining": test[-1] - best.test_opt, "window_half": best.tau_half / best.tau_opt,
    }  # fmt: skip
    remarks = [text for flag, text in st.REMARKS.items() if int(best.remark) & flag]
    if not np.isfinite(best.tau_half):
        values["window_half"] = np.nan  # without the half-way time there is no window
    return found(values, remarks)
