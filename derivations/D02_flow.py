"""The loss as a quadratic form, its exact gradient flow, and the denoising identity for any Sigma."""

from __future__ import annotations

import sympy

from derivations.D01_coefficients import gaussian
from derivations.record import Derivation

FLOW = "rfscore/finite/flow.py"
D = sympy.Rational(1, 3)  # Delta_t; exact arithmetic throughout
DIM, FEATURES = 2, 3


def small_model() -> tuple[list[tuple[sympy.Matrix, sympy.Matrix]], sympy.Matrix, sympy.Matrix]:
    """Equally likely (phi, xi) with E xi = 0, E xi xi^T = I, and their U = E phi phi^T, V = E phi xi^T."""
    r2 = sympy.sqrt(2)
    noises = [sympy.Matrix(x) for x in ([r2, 0], [-r2, 0], [0, r2], [0, -r2])]
    features = [sympy.Matrix(x) for x in ([1, 2, -1], [0, -1, 3], [2, 1, 1], [-1, 1, 2])]
    pairs = list(zip(features, noises, strict=True))
    u = sum((f * f.T for f, _ in pairs), sympy.zeros(3)) / 4
    v = sum((f * x.T for f, x in pairs), sympy.zeros(3, 2)) / 4
    return pairs, u, v


def derive() -> Derivation:
    """Run the derivation."""
    d = Derivation(
        2,
        "Loss, gradient flow and the denoising identity",
        (
            r"$s_A(x)=\frac{A}{\sqrt p}\,\phi(x)$, $\phi=\sigma(Wx/\sqrt d)$, $W$ frozen, $A(0)=0$; the "
            r"noise average is exact.",
            r"For the score error the data are Gaussian with any covariance $\Sigma$; "
            r"$\Sigma_t=e^{-2t}\Sigma+\Delta_tI$.",
        ),
    )
    _expansion(d)
    _flow(d)
    _losses(d)
    _denoising(d)
    return d


def _loss(a: sympy.Matrix, u: sympy.Matrix, v: sympy.Matrix) -> sympy.Expr:
    quadratic = D / DIM * (a.T * a * u).trace() / FEATURES
    return 1 + quadratic + 2 * sympy.sqrt(D) / DIM * (a * v).trace() / sympy.sqrt(FEATURES)


def _expansion(d: Derivation) -> None:
    pairs, u, v = small_model()
    a = sympy.Matrix(DIM, FEATURES, sympy.symbols("a0:6"))
    direct = 0
    for phi, xi in pairs:
        residual = sympy.sqrt(D) * a * phi / sympy.sqrt(FEATURES) + xi
        direct += (residual.T * residual)[0] / (4 * DIM)
    d.equation(
        1,
        r"\mathcal L_{\rm train}=1+\frac{\Delta_t}{d}\,\mathrm{Tr}\Big(\frac{A^TA}{p}U\Big)+\frac{2\sqrt{"
        r"\Delta_t}}"
        r"{d}\,\mathrm{Tr}\Big(\frac{A}{\sqrt p}V\Big),\quad U=\frac1n\sum_\nu\mathbb{E}_\xi["
        r"\phi\phi^T],\ V=\frac1n"
        r"\sum_\nu\mathbb{E}_\xi[\phi\,\xi^T]",
        paper="Eqs 4, 11, 55",
        code="rfscore/finite/instance.py",
    )
    d.zero("Expanding the square, for a general $A$ (2 x 3) and an exact discrete noise", direct - _loss(a, u, v))
    gradient = sympy.Matrix(DIM, FEATURES, lambda i, j: sympy.diff(_loss(a, u, v), a[i, j]))
    printed = 2 * D / FEATURES * a * u + 2 * sympy.sqrt(D) / sympy.sqrt(FEATURES) * v.T
    d.equation(
        2,
        r"\dot A=-d^2\nabla\mathcal L_{\rm train}=-2\Delta_t\frac dp\,AU-\frac{2d\sqrt{\Delta_t}}{\sqrt "
        r"p}\,V^T",
        paper="Eq 10",
        code=FLOW,
    )
    d.check("Gradient of (D2.1)", sympy.simplify(DIM * gradient - printed) == sympy.zeros(DIM, FEATURES))


def _solution(u: sympy.Matrix, v: sympy.Matrix, time: sympy.Expr) -> sympy.Matrix:
    """A(tau) with U diagonal."""
    c = 2 * D * time * DIM / FEATURES
    decay = sympy.diag(*((1 - sympy.exp(-c * x)) / x for x in u.diagonal()))
    return -sympy.sqrt(FEATURES) / sympy.sqrt(D) * v.T * decay


def _flow(d: Derivation) -> None:
    tau = sympy.Symbol("tau", positive=True)
    u = sympy.diag(2, sympy.Rational(1, 5), 7)  # the flow is equivariant under rotations of feature space
    v = sympy.Matrix([[1, 2], [-1, 3], [sympy.Rational(1, 2), 5]])
    a = _solution(u, v, tau)
    right = -2 * D * sympy.Rational(DIM, FEATURES) * a * u - 2 * DIM * sympy.sqrt(D) / sympy.sqrt(FEATURES) * v.T
    d.equation(
        3,
        r"\frac{A(\tau)}{\sqrt p}=-\frac{1}{\sqrt{\Delta_t}}\,V^TU^{-1}\big(I-e^{-cU}\big),\qquad "
        r"c=\frac{2\Delta_t\tau}{\psi_p}",
        paper="Prop C.1, Eq 53 (with $A_0=0$)",
        code=FLOW,
    )
    d.check("Solves (D2.2)", sympy.simplify(a.diff(tau) - right) == sympy.zeros(2, 3))
    d.check("Starts at zero", a.subs(tau, 0) == sympy.zeros(2, 3))


def _losses(d: Derivation) -> None:
    tau = sympy.Symbol("tau", positive=True)
    u, v = sympy.diag(2, sympy.Rational(1, 5), 7), sympy.Matrix([[1, 2], [-1, 3], [sympy.Rational(1, 2), 5]])
    c = 2 * D * tau * DIM / FEATURES
    weights = [(v.row(j) * v.row(j).T)[0] for j in range(3)]
    train = 1 - sum(w * (1 - sympy.exp(-2 * c * x)) / x for w, x in zip(weights, u.diagonal(), strict=True)) / DIM
    d.equation(
        4,
        r"\mathcal L_{\rm train}(\tau)=1-\frac1d\sum_\ell|P_\ell|^2\,\frac{1-e^{-2c\lambda_\ell}}{\lambda_"
        r"\ell},"
        r"\qquad U=\sum_\ell\lambda_\ell e_\ell e_\ell^T,\ P=E^TV",
        code=FLOW,
    )
    d.zero("(D2.3) in (D2.1)", sympy.expand(_loss(_solution(u, v, tau), u, v) - train))
    fresh = sympy.Matrix([[3, 1, 0], [1, 2, 1], [0, 1, 5]])
    overlap = sympy.Matrix([[2, 0], [1, -1], [4, 1]])
    gains = [(1 - sympy.exp(-c * x)) / x for x in u.diagonal()]
    pp = v * v.T
    test = 1 - 2 * sum(g * (v.row(j) * overlap.row(j).T)[0] for j, g in enumerate(gains)) / DIM
    test += sum(gains[i] * gains[j] * pp[i, j] * fresh[i, j] for i in range(3) for j in range(3)) / DIM
    d.equation(
        5,
        r"\mathcal L_{\rm test}(\tau)=1+\frac1d\sum_{\ell\ell'}g_\ell "
        r"g_{\ell'}(PP^T)_{\ell\ell'}(E^T\tilde UE)_{\ell"
        r"\ell'}-\frac2d\sum_\ell g_\ell\,(P\tilde P^T)_{\ell\ell},\qquad g_\ell=\frac{1-e^{-c\lambda_\ell}}"
        r"{\lambda_\ell}",
        code=FLOW,
    )
    d.zero("The same $A$ in the loss of fresh data", sympy.expand(_loss(_solution(u, v, tau), fresh, overlap) - test))


def _denoising(d: Derivation) -> None:
    l1, l2, dt = sympy.symbols("lambda1 lambda2 Delta", positive=True)
    signal, noise = sympy.symbols("x1 x2"), sympy.symbols("n1 n2")
    decay = sympy.sqrt(1 - dt)  # e^{-t}
    total = [
        decay * sympy.sqrt(lam) * x + sympy.sqrt(dt) * n for lam, x, n in zip((l1, l2), signal, noise, strict=True)
    ]
    variance = [(1 - dt) * lam + dt for lam in (l1, l2)]
    # A non-linear score with all couplings of two coordinates up to third order.
    y1, y2 = total
    score = [3 * y1 - y2 + y1 * y2**2, y1**3 / 2 - 2 * y2 + 1]
    mean = lambda expression: gaussian(expression, *signal, *noise)  # noqa: E731
    loss = mean(sum((sympy.sqrt(dt) * s + n) ** 2 for s, n in zip(score, noise, strict=True))) / 2
    error = mean(sum((s + y / var) ** 2 for s, y, var in zip(score, total, variance, strict=True))) / 2
    inverse = sum(1 / var for var in variance) / 2
    d.equation(
        6,
        r"\Delta_t\,\mathcal E_{\rm score}=\mathcal L_{\rm test}-1+\Delta_t\,\frac1d\mathrm{Tr}\,"
        r"\Sigma_t^{-1},\qquad "
        r"\mathcal E_{\rm score}=\frac1d\,\mathbb{E}\|s_A(x_t)+\Sigma_t^{-1}x_t\|^2",
        paper="Eq 8 made concrete",
        code="rfscore/finite/flow.py, rfscore/theory/losses.py",
    )
    d.text(r"""Because $\mathbb{E}[\xi|x_t]=\sqrt{\Delta_t}\,\Sigma_t^{-1}x_t$, the cross term of the loss is
    $2\Delta_t\mathbb{E}[s\cdot\Sigma_t^{-1}x_t]$ for every score $s$, linear or not. Hence both curves are minimal
    at the
    same $\tau$.""")
    d.zero(
        "A cubic, non-diagonal score in two dimensions with unequal variances", dt * error - (loss - 1 + dt * inverse)
    )
    d.equation(
        7,
        r"\Sigma=\sigma_x^2I:\quad \mathcal L_{\rm test}=\Big(1-\frac{\Delta_t}{\Gamma_t^2}\Big)+\Delta_t\,"
        r"\mathcal E_{\rm score}",
        paper="Eq 218",
        code="rfscore/theory/losses.py",
    )
    same = {l1: l2}
    d.zero("Isotropic case", (inverse.subs(same) - 1 / variance[1]))
