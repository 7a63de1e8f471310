r"""When to stop: the lowest test loss along training, and the half-way time of memorisation, of many problems at once.

With c = 2 Delta_t tau/psi_p all losses are contour integrals whose nodes z = -s/c lie on rays through the origin
(`rfscore.theory.contours`). One pass serves all training times: windows of c, each a factor below five, cover every
scale from before the fastest to after the slowest mode, and the solutions of one window start the next one inwards
on the same rays. Each solution is verified as in `rfscore.theory.resolvent`. Narrow windows then give the zero of
dL_test/dlog(tau) next to the lowest point of that pass, and the time at which the gap passes half its final value.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float, Int

from rfscore.model.problem import ScoreProblem
from rfscore.theory import assemble, contours
from rfscore.theory import one_point as op
from rfscore.theory import resolvent as rs
from rfscore.theory.assemble import FlowContours
from rfscore.theory.equivalent import Equivalent, equivalent

#: c times the largest eigenvalue at the first, c times the smallest at the last training time looked at.
FIRST, LAST = 1e-2, 40.0
#: Numbers of windows a factor of at most `WINDOW` wide: 13 cover nine decades. Each number is a compiled program.
WINDOWS, WINDOW = (13, 20, 28), 5.0
_PER_WINDOW = 12
_COARSE, _FINE = 1e-8, 1e-10
_ZOOM, _ROUNDS = 9, 4
_STEPS = 6  # from one window to the next: Newton from the step before stays on its branch
#: What `Stopping.remark` means, and what to do; 0 is nothing to remark.
MONOTONE, FLAT, NO_GAP, EARLY, UNVERIFIED = 1, 2, 4, 8, 16
REMARKS = {
    MONOTONE: "the test loss falls to the end: the best training time is infinite and there is no memorisation to date",
    FLAT: "tau_opt: the test loss is flat to 1e-8 around its lowest point; read test_opt, which is right to 1e-8",
    NO_GAP: "tau_half: L_test - L_train does not rise through half of its final value after tau_opt",
    EARLY: "tau_half: half of the final gap is passed before the test loss is lowest",
    UNVERIFIED: "a resolvent on a contour was not verified: move psi_n, psi_p or t by a relative 1e-6",
}


Pair = tuple[Array, Array]


class Stopping(NamedTuple):
    """Best stopping and the half-way time of memorisation of each problem; `remark` is a sum of keys of `REMARKS`."""

    tau_opt: Array
    test_opt: Array
    train_opt: Array
    tau_half: Array
    remark: Array


def windows_needed(ratio: float) -> int:
    """How many windows cover times that span a factor `ratio`."""
    wanted = int(np.ceil(np.log(ratio) / np.log(WINDOW)))
    return next((count for count in WINDOWS if count >= wanted), WINDOWS[-1])


def _polish(eq: Equivalent, q: Array, delta: Array, z: Array, steps: int) -> tuple[Array, Array]:
    def step(_: Any, pair: tuple[Array, Array]) -> tuple[Array, Array]:
        x = op.point(eq, *pair)
        first, second, _size = op.residual(eq, x, z)
        dq, ddelta = op.newton_step(eq, x, first, second)
        return pair[0] + dq, pair[1] + ddelta

    return jax.lax.fori_loop(0, steps, step, (q, delta))


def _along_rays(eq: Equivalent, outermost: Complex[Array, " N"], ratio: Array, count: int) -> tuple[op.Point, Array]:
    """Solutions at outermost/ratio^k, k < count, each started from the one outside it; and their status, (count, N)."""
    far = op.far_point(eq, outermost)
    start = _polish(eq, far.q, far.delta, outermost, 8)
    root = ratio ** (1.0 / _STEPS)

    def predicted(last: Pair, here: Pair, z: Array) -> Pair:
        """The power law through the last two, or the last one: whichever solves the equations better at z."""
        law = here[0] * (here[0] / last[0]), here[1] * (here[1] / last[1])
        misfit = [op.residual(eq, op.point(eq, *pair), z)[2] for pair in (law, here)]
        use = misfit[0] < misfit[1]
        return jnp.where(use, law[0], here[0]), jnp.where(use[:, None], law[1], here[1])

    def inwards(pairs: tuple[Pair, Pair], z: Array) -> tuple[tuple[Pair, Pair], Pair]:
        last, here = pairs
        nearer = _polish(eq, *predicted(last, here, z), z, 2)
        return (here, nearer), nearer

    powers = jnp.arange(1, (count - 1) * _STEPS + 1) / _STEPS
    path = outermost * ratio ** -powers[:, None]
    _, inner = jax.lax.scan(inwards, ((start[0] / root, start[1] / root), start), path)
    windows = [jnp.concatenate([one[None], rest[_STEPS - 1 :: _STEPS]]) for one, rest in zip(start, inner, strict=True)]
    z = outermost * ratio ** -jnp.arange(count, dtype=float)[:, None]
    return _verified(eq, *_polish(eq, windows[0], windows[1], z, 3), z)


def _verified(eq: Equivalent, q: Array, delta: Array, z: Array) -> tuple[op.Point, Int[Array, "K N"]]:
    """Solutions found another way than by `rfscore.theory.resolvent.solve`, under the same checks."""
    above = jnp.imag(z) > 0
    mirrored = op.point(eq, jnp.where(above, q, q.conj()), jnp.where(above[..., None], delta, delta.conj()))
    return op.point(eq, q, delta), rs.verify(eq, mirrored, jnp.where(above, z, z.conj()))[1]


def _windows(rtol: float, width: float, largest: Float[Array, " K"]) -> FlowContours:
    """A contour for each window of training times, whose largest exponent is 2 c = `largest`."""
    nodes, weights = contours.parabola(contours.node_count(rtol, 2.0 * width), 2.0 * width)
    return FlowContours(nodes, weights, jnp.ones((1, 1, 1)), jnp.asarray(-nodes) / largest[:, None])


def _at(contour: FlowContours, share: Float[Array, "K M"]) -> FlowContours:
    """The same contour at c = share * largest of each window."""
    return contour._replace(share=share[..., None])


class _Scan(NamedTuple):
    """Losses on the coarse grid of c, ascending."""

    c: Float[Array, " G"]
    train: Float[Array, " G"]
    test: Float[Array, " G"]
    status: Int[Array, ""]


def _scan(eq: Equivalent, ridge: Array | None, first: Array, last: Array, count: int, rays: bool) -> _Scan:
    """Losses at `_PER_WINDOW` times in each of `count` equal windows (in log c) between first and last."""
    ratio = (last / first) ** (1.0 / count)
    ends = first * ratio ** jnp.arange(1.0, count + 1.0)
    windows = _windows(_COARSE, WINDOW, 2.0 * ends)
    if rays:
        x, status = _along_rays(eq, windows.z[0], ratio, count)
    else:
        x, _, status = rs.solve(eq, windows.z)
    share = 0.5 * ratio ** (-jnp.arange(_PER_WINDOW - 1.0, -1.0, -1.0) / _PER_WINDOW)
    contour = _at(windows, jnp.broadcast_to(share, (count, _PER_WINDOW)))
    train, test = assemble.losses(eq, contour, assemble.terms(eq, x, ridge))
    return _Scan((2.0 * ends[:, None] * share).ravel(), train.ravel(), test.ravel(), status.max())


class _Roots(NamedTuple):
    """Training times in c, the losses there, whether there was one, and the worst status of the contour, of each."""

    c: Float[Array, " K"]
    train: Float[Array, " K"]
    test: Float[Array, " K"]
    found: Bool[Array, " K"]
    status: Int[Array, " K"]


def _roots(
    eq: Equivalent, ridge: Array | None, low: Float[Array, " 2"], high: Float[Array, " 2"], level: Array
) -> _Roots:
    """Where L_test is lowest in [low[0], high[0]], and where the gap reaches `level` in [low[1], high[1]].

    A function that rises through zero is sampled on nine points, its first rise is sampled again, and a secant ends the
    last interval, 1/4096 of the first.
    """
    windows = _windows(_FINE, WINDOW ** (2.0 / _PER_WINDOW), 2.0 * high)
    x, _, status = rs.solve(eq, windows.z)
    of = assemble.terms(eq, x, ridge)

    def at(log_c: Float[Array, "2 M"]) -> tuple[Array, Array, Array]:
        contour = _at(windows, 0.5 * jnp.exp(log_c) / high[:, None])
        train, test = assemble.losses(eq, contour, of)
        return jnp.stack([assemble.slope(contour, of)[0], test[1] - train[1] - level]), train, test

    def closer(_: Any, state: tuple[Array, ...]) -> tuple[Array, ...]:
        start, end, all_found = state[:3]
        grid = start[:, None] + (end - start)[:, None] * jnp.linspace(0.0, 1.0, _ZOOM)
        value = at(grid)[0]
        rises = (value[:, :-1] < 0) & (value[:, 1:] >= 0)
        left = jnp.argmax(rises, axis=1)[:, None]
        picked = [jnp.take_along_axis(y, left + side, axis=1)[:, 0] for y in (grid, value) for side in (0, 1)]
        return picked[0], picked[1], all_found & jnp.any(rises, axis=1), picked[2], picked[3]

    zero = jnp.zeros_like(low)
    start, end, found, below, above = jax.lax.fori_loop(
        0, _ROUNDS, closer, (jnp.log(low), jnp.log(high), low < high, zero, zero)
    )
    log_c = start + (end - start) * jnp.where(found, below / (below - above), 0.5)
    _, train, test = at(log_c[:, None])
    return _Roots(jnp.exp(log_c), train[:, 0], test[:, 0], found, status.max(axis=-1))


def best_stopping(
    problem: ScoreProblem, slowest: Array, train_inf: Array, test_inf: Array, windows: int, rays: bool, ridged: bool
) -> Stopping:
    """Best stopping of one problem, to be traced and vmapped: `rfscore.sweeps.theory` does, and says what is returned.

    Args:
        problem: the problem, traced.
        slowest: the left edge of its lowest bulk, `rf.timescales(problem).lambda_lowest`.
        train_inf: training loss at tau = infinity.
        test_inf: test loss there.
        windows: `windows_needed` of LAST top/(FIRST slowest).
        rays: start solutions from their neighbours (fast); otherwise each on its own, for what that left unverified.
        ridged: whether there is a ridge.
    """
    eq = equivalent(problem)
    ridge = jnp.asarray(problem.ridge, dtype=float) if ridged else None
    scan = _scan(eq, ridge, FIRST / eq.top, LAST / slowest, windows, rays)
    size, i = scan.c.size, jnp.argmin(scan.test)
    level = 0.5 * (test_inf - train_inf)
    reached = (scan.test - scan.train >= level) & (jnp.arange(size) > i)
    at_opt, at_half = jnp.clip(i, 1, size - 2), jnp.clip(jnp.argmax(reached), 1, size - 1)
    roots = _roots(
        eq, ridge, scan.c[jnp.stack([at_opt - 1, at_half - 1])], scan.c[jnp.stack([at_opt + 1, at_half])], level
    )
    monotone = (i == size - 1) | (test_inf <= scan.test[i] + _COARSE * jnp.maximum(1.0, test_inf))
    early = ~monotone & (scan.test[i] - scan.train[i] >= level)
    late = ~monotone & ~early
    crossed, turned = late & jnp.any(reached) & roots.found[1], ~monotone & roots.found[0]
    verified = (scan.status == rs.OK) & (monotone | (roots.status[0] == rs.OK))
    verified &= ~crossed | (roots.status[1] == rs.OK)
    flags = MONOTONE * monotone + FLAT * (~monotone & ~turned) + EARLY * early + NO_GAP * (late & ~crossed)
    time = 1.0 / problem.rate
    return Stopping(
        tau_opt=jnp.where(monotone, jnp.inf, jnp.where(turned, time * roots.c[0], jnp.nan)),
        test_opt=jnp.where(monotone, test_inf, jnp.where(turned, roots.test[0], scan.test[i])),
        train_opt=jnp.where(monotone, train_inf, jnp.where(turned, roots.train[0], scan.train[i])),
        tau_half=jnp.where(crossed, time * roots.c[1], jnp.nan), remark=flags + UNVERIFIED * ~verified,
    )  # fmt: skip
