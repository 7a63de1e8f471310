"""Bias and variance of the score learned from frozen noises, and the empirical test loss, at every training time."""

from __future__ import annotations

import sympy
from mpmath import mp

from derivations.corner import SIDE, corners, drawn, drawn_overlap, everything, model_of
from derivations.record import Derivation
from rfscore.oracle import frozen
from rfscore.oracle.equivalence import Model

REPLICAS, PARTS = "rfscore/theory/replicas.py", "rfscore/theory/decomposition.py"


def derive() -> Derivation:
    """Run the derivation."""
    d = Derivation(
        11,
        "Bias, variance and the empirical test loss",
        (
            r"The model of (D10.1)-(D10.3): Gaussian equivalence of the features of all noised copies jointly.",
            r"The lift (D10.10) for columns of two models that share only part of their randomness.",
        ),
    )
    _replicas(d)
    _parts(d)
    _nothing_in_common(d)
    _first_order(d)
    _empirical(d)
    return d


def _replicas(d: Derivation) -> None:
    d.text(r"""Two models trained on columns $h,h'$ of covariances $C_j,C_j'$ and cross covariance
    $C_j^\times=\mathrm E
    \,h'h^T$: in (D6.1) $\delta_j$ becomes a $2\times2$ matrix whose corner is the trace with $C_j^\times$, and
    the corner
    of the mean field multiplies $C_j^\times$ again. So (D10.10)-(D10.12) hold with cross covariances in them.""")
    d.equation(
        1,
        r"\begin{aligned}&C_1^\times:\ \alpha^2[X]\frac{W\Sigma W'^T}d+\frac{b_t^2}m[\xi]\frac{WW'^T}d+v_t^2[XW]+"
        r"\frac{s_t^2}m[XW\xi],\\"
        r"&C_2^\times:\ b_t^2[\xi]\frac{WW'^T}d+s_t^2[XW\xi],\qquad t_j^\times=t_j[\xi]\end{aligned}",
        code=REPLICAS,
    )
    d.text(r"""Here $[R]$ is one if all of $R$ out of data $X$, weights $W$ and noises $\xi$ are common, and else
    zero.""")
    d.equation(2, r"W'\ne W:\qquad Q=0,\ K=0\quad(W\text{ and }W'\text{ have no common trace})", code=REPLICAS)


def _parts(d: Derivation) -> None:
    d.equation(
        3,
        r"Q(R)=\frac1d\mathrm E_x\,\mathrm E\,s\cdot s'=\frac1{\Delta_t}\,k_c\times k_c\ "
        r"\text{on the kernel of}\ R,\qquad "
        r"Q(\emptyset):\ b_t^2\beta_1\beta_2\psi_p^2q_1q_2\langle b_t^2+\alpha^2\lambda\rangle",
        code=REPLICAS,
    )
    _overlaps(d)
    d.equation(
        4,
        r"\mathrm{bias}^2=\int\rho_\Sigma\,\lambda_t\Big(\frac1{\lambda_t}-\gamma(\lambda)\Big)^2,\quad "
        r"\lambda_t=e^{-2t}"
        r"\lambda+\Delta_t,\quad\gamma(\lambda)=\frac{b_t^2}{\Delta_t}\,k_c\ \text{on}\ \frac{\beta\,"
        r"\psi_pq}{1+\psi_pqM(\lambda)}",
        paper=r"Urfin et al. 2026: $(1-\mu_1T_2/\sqrt{\Delta_t})^2$ at $\Sigma=I$",
        code=PARTS,
    )
    d.equation(
        5,
        r"\mathcal E_{\rm score}=\mathrm{bias}^2+Q(XW\xi)-Q(\emptyset)",
        paper="Urfin et al. 2026",
        code=PARTS,
    )


def _overlaps(d: Derivation) -> None:
    with mp.workdps(30):
        model = model_of()
        state, zero = frozen.solve(model, mp.mpf("-0.1")), mp.mpf(0)
        coupling, draws = (model.v2 + model.s2, model.b2, model.alpha2), model.draws
        cases = {
            "X, W": ((1, 0), [(model.v2, zero, model.alpha2), (zero,) * 3], (zero, zero)),
            r"W, \xi": ((0, 1), [(zero, model.b2 / draws, zero), (zero, model.b2, zero)], (1 / draws, mp.mpf(1))),
        }
        for name, (common, parts, mixing) in cases.items():
            sampled = drawn_overlap(1 - common[0], 1 - common[1])
            error = abs(sampled / float(corners(model, state, state, parts, coupling, mixing).kernel) - 1)
            d.check(f"${name}$ in common, two draws: relative error {error:.1e}", error < 6 / SIDE, "numpy")


def _nothing_in_common(d: Derivation) -> None:
    with mp.workdps(30):
        model = model_of()
        one, two = (frozen.solve(model, mp.mpf(x)) for x in ("-0.1", "-0.7"))
        none = [(mp.mpf(0),) * 3] * 2
        coupling, nothing = (mp.mpf(0), model.b2, model.alpha2), (mp.mpf(0), mp.mpf(0))
        found = corners(model, one, two, none, coupling, nothing, same_features=False).kernel
        sides = [frozen.equations(model, mp.mpf(0), x) for x in (one, two)]
        traces = [[_direction(model, state, x) for x in model.nodes] for state in (one, two)]
        mean = mp.fsum(
            w * a * b * (model.b2 + model.alpha2 * x)
            for w, a, b, x in zip(model.weights, *traces, model.nodes, strict=True)
        )
        d.close("(D11.3), nothing in common", found, model.b2 * sides[0].beta * sides[1].beta * mean, 25)
        total = mp.fsum(w * a for w, a in zip(model.weights, traces[0], strict=True))
        d.close(r"The directions of (D11.4) add up to $S$", total, model.psi_p * sides[0].s, 25)


def _direction(model: Model, state: tuple, lam: mp.mpf) -> mp.mpf:
    """psi_p q/(1 + psi_p q M(lam))."""
    q, d1, d2 = state
    big = (model.alpha2 * lam + model.b2 / model.draws) / (1 + d1) + (1 - 1 / model.draws) * model.b2 / (1 + d2)
    return model.psi_p * q / (1 + model.psi_p * q * big)


def _first_order(d: Derivation) -> None:
    d.text(r"""The population matrix of fresh noises on the training points, $U_e=\frac1n\sum_\nu c_\nu
    c_\nu^T+B$, is made
    of the columns that $U_m$ contains. With the columns $a_\nu=c_\nu+\bar e_\nu$ and $c_\nu$ side by side,
    sample $\nu$ adds
    $Y_\nu\mathcal KY_\nu^T$, $\mathcal K=\mathrm{diag}(1,\varepsilon e_{12})$, and its mean field is $\mathcal
    K(1+\Delta
    \mathcal K)^{-1}$ between covariances, $\Delta$ the traces of the pair.""")
    d.equation(
        6,
        r"\mathcal K(1+\Delta\mathcal K)^{-1}=\begin{pmatrix}g&\\&0\end{pmatrix}+\varepsilon\begin{pmatrix}"
        r"\eta_1\eta_2&"
        r"-\eta_1\\-\eta_2&1\end{pmatrix}e_{12},\qquad\eta_i=g_1(z_i)\,\frac1n\mathrm{Tr}\,CR(z_i)",
        code=PARTS,
    )
    eps, aa1, aa2, ac1, ac2, cc1, cc2 = sympy.symbols("epsilon aa1 aa2 ac1 ac2 cc1 cc2")
    diagonal = lambda x, y: sympy.diag(x, y)  # noqa: E731
    delta = sympy.Matrix(sympy.BlockMatrix([[diagonal(aa1, aa2), diagonal(ac1, ac2)],
                                            [diagonal(ac1, ac2), diagonal(cc1, cc2)]]))  # fmt: skip
    k = sympy.diag(1, 1, 0, 0)
    k[2, 3] = eps
    field = (k * (sympy.eye(4) + delta * k).inv()).diff(eps).subs(eps, 0)
    eta1, eta2 = ac1 / (1 + aa1), ac2 / (1 + aa2)
    want = {(0, 1): eta1 * eta2, (0, 3): -eta1, (2, 1): -eta2, (2, 3): 1}
    d.check(
        "First order in $\\varepsilon$, corner entries $(a,a)$, $(a,c)$, $(c,a)$, $(c,c)$",
        all(sympy.simplify(field[i] - value) == 0 for i, value in want.items()),
    )


def _empirical(d: Derivation) -> None:
    d.equation(
        7,
        r"\text{coupling}\ B+(1-\eta_1)(1-\eta_2)\,C+\frac{\eta_1\eta_2}m\,B,\qquad\beta_{12}=\frac{\eta_1"
        r"\eta_2}m-\frac1mg_1E_1"
        r"-\frac{m-1}mg_2E_2",
        code=PARTS,
    )
    d.equation(
        8,
        r"\mathcal L_{\rm emp}=1+k_c\times k_c\ \text{on}\ \frac1d\mathrm{Tr}\,V_m^TR_1U_eR_2V_m-2\,k_c\ "
        r"\text{on}\ X",
        paper=r"Urfin et al. 2026, $\mathcal L^{emp}_{test}$ ($\tau=\infty$)",
        code=PARTS,
    )
    with mp.workdps(30):
        model = model_of()
        state = frozen.solve(model, mp.mpf("-0.1"))
        found = _memory(model, state, state)
        sampled = drawn()["empirical"]
        d.check(f"The draw of above: relative error {abs(sampled / float(found) - 1):.1e}",
                abs(sampled / float(found) - 1) < 6 / SIDE, "numpy")  # fmt: skip
        many = model_of(draws=mp.mpf(10) ** 20)
        z1, z2 = mp.mpf("-0.1"), mp.mpf("-0.7")
        one, two = frozen.solve(many, z1), frozen.solve(many, z2)
        h1, h2 = frozen.pull(many, one)[0], frozen.pull(many, two)[0]
        d.close("$m\\to\\infty$: $U_e=U$, the resolvent identity (D6.8)", _memory(many, one, two),
                (z1 * h1 - z2 * h2) / (z1 - z2), 14)  # fmt: skip


def _memory(model: Model, one: tuple, two: tuple) -> mp.mpf:
    """Kernel of U_e by (D11.7)."""
    ratio, eta = model.psi_p / model.psi_n, []
    for state in (one, two):
        found = frozen.equations(model, mp.mpf(0), state)
        eta.append(ratio * (model.v2 * state[0] + model.alpha2 * found.r) / (1 + state[1]))
    kept, both = (1 - eta[0]) * (1 - eta[1]), eta[0] * eta[1] / model.draws
    coupling = (model.s2 * (1 + both) + kept * model.v2, model.b2 * (1 + both), kept * model.alpha2)
    parts, _, mixing = everything(model)
    return corners(model, one, two, parts, coupling, mixing, source=both).kernel
