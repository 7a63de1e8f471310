"""Gradient descent and heavy-ball momentum in the eigenbasis of U: exact filters and stability limits."""

from __future__ import annotations

import sympy
from mpmath import mp

from derivations.record import Derivation

CODE = "rfscore/model/training.py"
DESCENT = "rfscore/theory/descent.py"
x, lam, beta, r = sympy.symbols("x lambda beta r", positive=True)


def derive() -> Derivation:
    """Run the derivation."""
    d = Derivation(
        9,
        "Discrete optimisers",
        (
            r"Full-batch steps on the exact loss (D2.1) with $A=0$ at the start; $x=2\Delta_t\eta/(dp)$, "
            r"$\tau=k\eta/d^2$.",
        ),
    )
    _descent(d)
    _momentum(d)
    _momentum_stability(d)
    _momentum_clock(d)
    _contours(d)
    return d


def _descent(d: Derivation) -> None:
    k = sympy.Symbol("k", integer=True, nonnegative=True)
    d.equation(
        1,
        r"A^{(k+1)}=A^{(k)}-\eta\nabla\mathcal L:\qquad\frac{A^{(k)}}{\sqrt "
        r"p}=-\frac1{\sqrt{\Delta_t}}\sum_\ell\frac{1-(1-x\lambda"
        r"_\ell)^k}{\lambda_\ell}\,P_\ell e_\ell^T",
        paper="Eq 9",
        code=CODE,
    )
    # One mode in units of -1/sqrt(Delta) P: a <- a - x (lam a - 1).
    a = lambda j: (1 - (1 - x * lam) ** j) / lam  # noqa: E731
    d.zero("Recursion of one mode", a(k + 1) - (a(k) - x * (lam * a(k) - 1)))
    d.zero("Start", a(0))
    eta, noise, dim, features = sympy.symbols("eta Delta d p", positive=True)
    rate = 2 * noise * eta / (dim * features)
    tau = k * eta / dim**2
    d.zero("$xk=c=2\\Delta_t\\tau/\\psi_p$: the flow's clock", rate * k - 2 * noise * tau / (features / dim))
    d.equation(
        2, r"(1-x\lambda)^k=e^{-c\lambda}\Big(1-\tfrac12c\lambda\cdot x\lambda+O(x^2)\Big),\qquad c=kx", code=CODE
    )
    c = sympy.Symbol("c", positive=True)
    series = sympy.series(sympy.exp(c / x * sympy.log(1 - x * lam)), x, 0, 2).removeO()
    d.zero("First correction to the flow", sympy.simplify(series - sympy.exp(-c * lam) * (1 - c * lam * x * lam / 2)))
    d.equation(3, r"\text{stable}\iff0<x\lambda_{\max}<2", code=CODE)
    at = {x: 2 / lam}
    d.check(
        "$|1-x\\lambda|<1$ exactly there",
        (1 - x * lam).subs(at) == -1
        and abs((1 - x * lam).subs({x: sympy.Rational(21, 10) / lam})) > 1
        and abs((1 - x * lam).subs({x: sympy.Rational(19, 10) / lam})) < 1,
    )


def _momentum(d: Derivation) -> None:
    d.equation(
        4,
        r"e_{k+1}=(1+\beta-x\lambda)\,e_k-\beta\,e_{k-1},\quad e_0=e_{-1}=1:\qquad "
        r"e_k=\mu_{k+1}-\beta\mu_k,\quad\mu_k=\frac{r_1^k-"
        r"r_2^k}{r_1-r_2}",
        code=CODE,
    )
    trace = 1 + beta - x * lam
    root = sympy.sqrt(trace**2 - 4 * beta)
    r1, r2 = (trace + root) / 2, (trace - root) / 2
    d.text("Heavy ball: $a_{k+1}=a_k-x(\\lambda a_k-1)+\\beta(a_k-a_{k-1})$, residual $e_k=1-\\lambda a_k$.")
    a0, a1 = sympy.symbols("a0 a1")
    step = a1 - x * (lam * a1 - 1) + beta * (a1 - a0)
    d.zero("Recursion of the residual", (1 - lam * step) - (trace * (1 - lam * a1) - beta * (1 - lam * a0)))
    mu = [(r1**k - r2**k) / (r1 - r2) for k in range(6)]
    closed = [sympy.simplify(mu[k + 1] - beta * mu[k]) for k in range(5)]
    d.zero("$e_0=1$", closed[0] - 1)
    d.zero("$e_1=1-x\\lambda$", closed[1] - (1 - x * lam))
    for k in range(1, 4):
        d.zero(
            f"Recursion at k = {k}",
            sympy.expand(closed[k + 1]) - sympy.expand(trace * closed[k] - beta * closed[k - 1]),
        )


def _momentum_stability(d: Derivation) -> None:
    trace = 1 + beta - x * lam
    d.equation(5, r"\text{stable}\iff0<x\lambda_{\max}<2(1+\beta),\quad0\le\beta<1", code=CODE)
    polynomial = r**2 - trace * r + beta
    d.zero("Jury test at $r=1$: $P(1)=x\\lambda>0$", polynomial.subs(r, 1) - x * lam)
    d.zero(
        "Jury test at $r=-1$: $P(-1)=2(1+\\beta)-x\\lambda>0$", (polynomial.subs(r, -1)) - (2 * (1 + beta) - x * lam)
    )
    d.check("and $|P(0)|=\\beta<1$", polynomial.subs(r, 0) == beta)
    with mp.workdps(30):
        for momentum in (mp.mpf(3) / 10, mp.mpf(9) / 10):
            limit = 2 * (1 + momentum)
            sizes = [_radius(momentum, limit * (1 + side * mp.mpf(10) ** -6)) for side in (-1, 1)]
            d.check(
                f"Spectral radius crosses one at $x\\lambda=2(1+\\beta)$, $\\beta={mp.nstr(momentum, 2)}$",
                sizes[0] < 1 < sizes[1],
                "30 digits",
            )


def _momentum_clock(d: Derivation) -> None:
    trace = 1 + beta - x * lam
    r1 = (trace + sympy.sqrt(trace**2 - 4 * beta)) / 2
    d.equation(
        6,
        r"r_1=1-\frac{x\lambda}{1-\beta}+O(x^2):\qquad\text{the flow's clock is}\ "
        r"\tau=\frac{k\eta}{d^2(1-\beta)}",
        code=CODE,
    )
    d.zero(
        "Slow root at small steps",
        sympy.series(r1, x, 0, 2)
        .removeO()
        .subs(sympy.Abs(1 - beta), 1 - beta)
        .subs(sympy.sqrt(beta**2 - 2 * beta + 1), 1 - beta)
        - (1 - x * lam / (1 - beta)),
    )
    d.equation(
        7,
        r"\text{critical damping:}\quad\beta=\big(1-\sqrt{x\lambda}\big)^2\ "
        r"\Rightarrow\ |r|=1-\sqrt{x\lambda}",
        code=CODE,
    )
    critical = (1 - sympy.sqrt(x * lam)) ** 2
    d.zero("Double root", sympy.expand((trace**2 - 4 * beta).subs(beta, critical)))


def _contours(d: Derivation) -> None:
    d.equation(
        8,
        r"x\lambda=\frac{(1-r)(r-\beta)}r:\qquad e_k=\frac{r^k(r-\beta)-(\beta/r)^k(\beta/r-\beta)}{r-\beta/r}",
        code=DESCENT,
    )
    d.equation(
        9,
        r"\frac{1-e_k}\lambda\ \text{on}\ F=\frac1{2\pi i}\oint\frac{e_k(z)}zF(z)\,dz,\quad z=z(r),\ r=\pm e^{s/2k},\ s"
        r"\ \text{on the parabola (D7.2)}",
        code=DESCENT,
    )
    at = (1 - r) * (r - beta) / (x * r)
    d.zero("$r$ is a root of $r^2-(1+\\beta-x\\lambda)r+\\beta$", r**2 - (1 + beta - x * at) * r + beta)
    e = lambda k: (r**k * (r - beta) - (beta / r) ** k * (beta / r - beta)) / (r - beta / r)  # noqa: E731
    d.zero("$e_0=1$", e(0) - 1)
    d.zero("$e_1=1-x\\lambda$", e(1) - (1 - x * at))
    d.zero("Recursion", e(3) - (1 + beta - x * at) * e(2) + beta * e(1))


def _radius(momentum: mp.mpf, product: mp.mpf) -> mp.mpf:
    return max(abs(root) for root in mp.polyroots([1, -(1 + momentum - product), momentum]))
