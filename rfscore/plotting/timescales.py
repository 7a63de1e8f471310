"""Training times against the number of samples, and the local exponent of their power law."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator

from rfscore.plotting import style
from rfscore.plotting.style import Points

_COLOURS = {"tau_opt": style.TRAIN, "tau_half": style.TEST}
_NAMES = {"tau_opt": r"$\tau_{\rm opt}$, best stopping", "tau_half": r"$\tau_{\rm half}$, half of the final gap"}


def times(
    ax: Axes,
    psi_n: np.ndarray,
    theory: Mapping[str, np.ndarray],
    points: Mapping[str, Points],
    predictions: Mapping[str, tuple[np.ndarray, str]],
    *,
    proportional: tuple[np.ndarray, np.ndarray] | None = None,
) -> None:
    """tau_opt and tau_half against psi_n: read off the curves (lines, points) and predicted by the spectrum.

    Args:
        ax: axes to draw into.
        psi_n: where theory and predictions are given.
        theory: "tau_opt", "tau_half" -> times read off the theory curves.
        points: the same -> times read off finite-size runs.
        predictions: label -> (times, line style) of the spectral predictions, thin grey lines.
        proportional: (psi_n, tau) of a line proportional to n, to guide the eye.
    """
    for label, (y, dash) in predictions.items():
        ax.plot(psi_n, y, dash, color=style.FAINT, linewidth=1.1, label=label)
    for name, y in theory.items():
        ax.plot(psi_n, y, color=_COLOURS[name], label=_NAMES[name])
    for name, values in points.items():
        style.dots(ax, values, _COLOURS[name])
    if proportional is not None:
        ax.plot(*proportional, color=style.INK, linewidth=0.8, linestyle=(0, (1, 1)))
        ax.annotate(r"$\propto n$", (proportional[0][-1], proportional[1][-1]), xytext=(3, 0),
                    textcoords="offset points", va="center", color=style.INK)  # fmt: skip
    ax.set(yscale="log", xlabel=r"$\psi_n = n/d$", ylabel=r"training time $\tau$")
    style.binary_axis(ax, psi_n)
    ax.yaxis.set_minor_locator(LogLocator(subs=range(2, 10)))
    ax.legend(loc="upper left", fontsize=7)


def exponents(ax: Axes, lines: Mapping[float, tuple[np.ndarray, np.ndarray]], *, band: tuple[float, float]) -> None:
    """Local exponent d ln(tau_half)/d ln(n) against psi_n, one line per psi_p; 1 means "proportional to n".

    Args:
        ax: axes to draw into.
        lines: psi_p -> (psi_n, exponent).
        band: exponents that count as proportional, shaded.
    """
    ax.axhspan(*band, color=style.FAINT, alpha=0.25, linewidth=0)
    ax.axhline(1.0, color=style.INK, linewidth=0.7)
    dashes = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
    for i, (psi_p, (x, y)) in enumerate(lines.items()):
        ax.plot(x, y, color=style.TEST, linestyle=dashes[i % len(dashes)], label=rf"$\psi_p$ = {psi_p:g}")
    style.binary_axis(ax, np.concatenate([x for x, _ in lines.values()]))
    ax.set(xlabel=r"$\psi_n = n/d$", ylabel=r"local exponent of $\tau_{\rm half}\sim n^\gamma$")
    ax.legend(loc="lower left")
