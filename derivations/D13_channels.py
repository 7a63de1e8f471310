"""Any Gaussian channel, any target, any mixture of classes whose covariances commute, direction by direction."""

from __future__ import annotations

import numpy as np
import sympy

from derivations import mixed
from derivations.record import Derivation

EQUIVALENT, POINT, TARGETS, CLASSES = (
    f"rfscore/theory/{x}.py" for x in ("equivalent", "one_point", "targets", "classes")
)
CALCULUS = "rfscore/theory/assemble.py"
alpha, beta, lam, cx, cxi = sympy.symbols("alpha beta lambda c_x c_xi", positive=True)


def derive() -> Derivation:
    """Run the derivation."""
    d = Derivation(
        13,
        "Channels, targets, mixtures, directions",
        (
            r"$x_t=\alpha x+\beta\xi$, $x$ from class $c$ with probability $\pi_c$, $N(0,\Sigma_c)$, all $\Sigma_c$ "
            r"diagonal in one basis with eigenvalues $\lambda_{c\ell}$; $\sigma$ centred in every class.",
            r"The output times $\gamma$ is regressed on $y=c_xx+c_\xi\xi$; $dA/d\tau=-d^2\nabla\mathcal L$.",
            r"The rules (D4.2) and (D6.1) for several sampled parts, whose columns carry targets as in (D10.7).",
        ),
    )
    _parts(d)
    _one_point(d)
    _targets(d)
    _kernel(d)
    _losses(d)
    return d


def _parts(d: Derivation) -> None:
    d.equation(
        1,
        r"\phi=\alpha a_c\frac{Wx}{\sqrt d}+v_c\omega+b_c\frac{W\xi}{\sqrt d}+s_c\omega',\qquad "
        r"a_c=\frac{\mu_{1c}}{\Gamma_c},\ b_c=\beta a_c,\ \Gamma_c^2=\alpha^2\sigma_c^2+\beta^2",
        code=EQUIVALENT,
    )
    d.equation(
        2,
        r"\begin{aligned}&U\simeq C_0+\sum_j\frac{\mathrm{share}_j}{N_j}\sum_{i=1}^{N_j}h_ih_i^T,\qquad "
        r"C=k_0I+\frac{W\,\mathrm{diag}(k_\ell)W^T}d;\\&\text{noise averaged: }C_0=\big(\sum_c\pi_cs_c^2,\ "
        r"\sum_c\pi_cb_c^2\big),\quad C_c=(v_c^2,\ \alpha^2a_c^2\lambda_{c\ell}),\ \mathrm{share}\ \pi_c\end{aligned}",
        code=EQUIVALENT,
    )
    d.equation(
        3,
        r"\mathrm{Cov}(h,y)=\frac{W\mathrm{diag}(t_\ell)}{\sqrt d}:\quad t_{c\ell}=c_x\alpha a_c\lambda_{c\ell},\qquad "
        r"\text{fixed part }c_\xi\sum_c\pi_cb_c,\qquad y^2_{c\ell}=c_x^2\lambda_{c\ell}",
        code=EQUIVALENT,
    )
    d.equation(
        4,
        r"\begin{aligned}m\text{ frozen noises: }&C_c+\frac{B_c}m,\ t+\frac{c_\xi b_c}m,\ y^2+\frac{c_\xi^2}m;\\"
        r"&\text{and }B_c,\ c_\xi b_c,\ c_\xi^2,\ \mathrm{share}\ \pi_c\frac{m-1}m,\quad "
        r"B_c=(s_c^2,b_c^2)\end{aligned}",
        code=EQUIVALENT,
    )
    m = sympy.Symbol("m", positive=True)
    d.zero("Shares of the noise in the targets add up to its variance", cxi**2 / m + (m - 1) / m * cxi**2 - cxi**2)


def _one_point(d: Derivation) -> None:
    d.equation(
        5,
        r"\frac1q=k_0-z+\int\frac{M_\ell}{D_\ell},\qquad k=C_0+\sum_j\mathrm{share}_jg_jC_j,\quad "
        r"g_j=\frac1{1+\delta_j},\quad D_\ell=1+\psi_pqM_\ell",
        code=POINT,
    )
    d.equation(
        6,
        r"\delta_j=\frac{p\,\mathrm{share}_j}{N_j}\Big(k_{0j}q+\int k_{j\ell}Y_\ell\Big),\qquad "
        r"Y_\ell=\frac q{D_\ell}",
        code=POINT + ", rfscore/theory/scan.py",
    )
    draw, theory = mixed.drawn(), mixed.predicted()
    _within(d, "q of one draw with two classes", draw.q, theory.q, 2)


def _within(d: Derivation, claim: str, draw: object, theory: object, times: float) -> None:
    error = float(np.max(abs(np.asarray(draw) / np.asarray(theory) - 1.0)))
    d.check(f"{claim}, d = {mixed.SIDE}: relative error {error:.1e}, at most {times:g}/d", error < times / mixed.SIDE,
            "numpy")  # fmt: skip


def _targets(d: Derivation) -> None:
    d.text(r"""With the targets appended to the features the rule (D4.2) replaces $V$ by
    $W\mathrm{diag}(P)/\sqrt d$, the $g$-weighted mean of what its columns carry, direction by direction.""")
    d.equation(7, r"P_\ell=t^{(0)}_\ell+\sum_j\mathrm{share}_j\,g_j\,t_{j\ell}", code=TARGETS)
    d.equation(
        8,
        r"H_\ell=\psi_pP_\ell^2Y_\ell+\sum_j\mathrm{share}_j\,y^2_{j\ell}(1-g_j),\qquad "
        r"\frac1d\mathrm{Tr}\,V^TRV=\int H_\ell",
        code=TARGETS,
    )
    d.equation(
        9,
        r"X^{(c)}_\ell=\psi_p\tilde P^{(c)}_\ell P_\ell Y_\ell,\qquad "
        r"\tilde P^{(c)}_\ell=c_x\alpha a_c\lambda_{c\ell}+c_\xi b_c",
        code=TARGETS,
    )
    draw, theory = mixed.drawn(), mixed.predicted()
    _within(d, "H of that draw, a target with $c_x=-\\beta$, $c_\\xi=\\alpha$", draw.pull, theory.pull, 6)
    _within(d, "X of both classes", draw.cross, theory.cross, 12)


def _kernel(d: Derivation) -> None:
    d.equation(
        10,
        r"\begin{aligned}&G_j=-g_jg_j'E_j,\quad \mathcal K=u_0+\sum_j\mathrm{share}_jk_{0j}G_j,\quad "
        r"\mathcal M_\ell=u_\ell+\sum_j\mathrm{share}_jk_{j\ell}G_j,\\&Q=-qq'\Big(\mathcal K+\int\frac{\mathcal M}{DD'}"
        r"-\psi_pQ\int\frac{MM'}{DD'}\Big)\end{aligned}",
        code=TARGETS,
    )
    d.equation(
        11,
        r"Y^{12}_\ell=\frac{Q-\psi_pqq'\mathcal M_\ell}{D_\ell D'_\ell},\quad E_j=\frac{p\,\mathrm{share}_j}{N_j}"
        r"\Big(k_{0j}Q+\int k_{j\ell}Y^{12}_\ell\Big),\quad P^{12}_\ell=\sum_j\mathrm{share}_jt_{j\ell}G_j",
        code=TARGETS,
    )
    d.equation(
        12,
        r"T_\ell=\sum_j\mathrm{share}_j\,y^2_{j\ell}G_j-\psi_p\big(P^{12}Y'P'+PY^{12}P'+PYP^{12}\big)_\ell",
        code=TARGETS,
    )
    g, y2 = sympy.symbols("g y2")
    d.zero("The sign of the first term: it is minus the corner of $y^2(1-g)$ in (D13.8)",
           -sympy.diff(y2 * (1 - g), g) - y2)  # fmt: skip
    draw, theory = mixed.drawn(), mixed.predicted()
    _within(d, "The kernel with $\\tilde U$ of each class between", draw.fit, theory.fit, 20)


def _losses(d: Derivation) -> None:
    d.equation(
        13,
        r"\begin{aligned}&\mathcal L_{\rm train}=\int L^0-\Big[\frac{1-e^{-2c\lambda}}\lambda\Big]H,\quad "
        r"\mathcal L^{(c)}_{\rm test}=\int L^{0(c)}+[k\times k]T-2[k]X^{(c)},\\&c=\frac{2\gamma^2\tau}{\psi_p},\qquad "
        r"L^*_c=\int\frac{\lambda_{c\ell}(c_x\beta-c_\xi\alpha)^2}{\alpha^2\lambda_{c\ell}+\beta^2}\end{aligned}",
        code=CALCULUS,
    )
    spread = alpha**2 * lam + beta**2
    best = cx**2 * lam + cxi**2 - (cx * alpha * lam + cxi * beta) ** 2 / spread
    d.zero("Least loss without cancellation", best - lam * (cx * beta - cxi * alpha) ** 2 / spread)
    d.text(r"""A training column $h$ of part $j$ with target $y$ is taken out of $U$ and $V$:
    $V^TRh=g_jV_-^TR_-h+(1-g_j)y$, and $h$ is independent of the rest.""")
    d.equation(14, r"\frac1dE\,y\cdot V^TRh=g_jX_j+(1-g_j)y_j^2", code=CLASSES)
    d.equation(
        15,
        r"\frac1dE\,V^TRh\cdot V^TR'h=g_jg_j'T_j+g_j(1-g_j')X_j+(1-g_j)g_j'X_j'+(1-g_j)(1-g_j')y_j^2",
        code=CLASSES,
    )
    draw, theory = mixed.drawn(), mixed.predicted()
    _within(d, "(D13.14) on the training columns of each class", draw.single, theory.single, 20)
    _within(d, "(D13.15) on them", draw.both, theory.both, 20)
    d.equation(
        16,
        r"\mathcal L_\ell:\ \text{(D13.13) with }H_\ell,X_\ell,T_\ell\text{ in place of their integrals}",
        code=CLASSES,
    )
