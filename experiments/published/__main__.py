"""Runs of exactly this model that others published, held against ours: `python -m experiments.published`.

readings.json has the curves of eleven runs (source and protocol inside): ten clusters in few directions, small noise in
the others. Their data are drawn anew from the recipe with weights of our own, five times; the theory sees a Gaussian
with the same second moments. Writes comparison.json, comparison.md and comparison.png here.
"""

from __future__ import annotations

import itertools
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.ticker import NullFormatter

import rfscore as rf
from rfscore import plotting
from rfscore.plotting import style
from rfscore.runs.scaling import fit_scaling

HERE = Path(__file__).resolve().parent
#: Curves among the readings, the law they are held against, and whether its variable is W.
LAWS = (("tau_mem_by_n", "tau_mem ~ n^", False), ("tau_mem_by_width", "tau_mem ~ W^-", True),
        ("tau_gen", "tau_gen ~ W^-", True))  # fmt: skip
DRAWS, TEST_POINTS, THEIR_TEST_POINTS = 5, 1024, 2048


def centroids(run: dict[str, Any], rng: np.random.Generator) -> np.ndarray:
    """Centres inside the intrinsic directions: orthogonal ones of the given norm, then random ones of that norm."""
    q, k = run["intrinsic"], run["clusters"]
    basis = np.linalg.qr(rng.standard_normal((q, q)))[0][:k]
    further = rng.standard_normal((max(0, k - q), q))
    further /= np.linalg.norm(further, axis=1, keepdims=True)
    return run["centroid_norm"] * np.concatenate([basis, further])


def points(run: dict[str, Any], centres: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Points of the clusters. Their common rotation is left out: no loss depends on it."""
    inside = centres[rng.integers(0, len(centres), count)]
    inside = inside + run["std_inside"] * rng.standard_normal(inside.shape)
    return np.hstack([inside, run["std_outside"] * rng.standard_normal((count, run["d"] - run["intrinsic"]))])


def ours(run: dict[str, Any]) -> np.ndarray:
    """(draws, 2, times): training and test loss of the exact flow, data and weights drawn anew each time."""
    found = []
    for draw in range(DRAWS):
        rng = np.random.default_rng([draw, run["d"], run["intrinsic"]])
        centres = centroids(run, rng)
        weights, train = rng.standard_normal((run["p"], run["d"])), points(run, centres, run["n"], rng)
        with warnings.catch_warnings():  # clusters have a mean, as the data of the published runs do
            warnings.simplefilter("ignore")
            instance = rf.finite.from_arrays(
                weights=weights, data=train, t=run["t"], test_data=points(run, centres, TEST_POINTS, rng)
            )
        curves = instance.gradient_flow().loss_curves(run["tau"])
        found.append((curves.train, curves.test))
    return np.array(found)


def theory(run: dict[str, Any]) -> np.ndarray:
    """(2, times) by the infinite-size theory for a Gaussian of the same second moments, averaged over the centroids."""
    d, q, k = run["d"], run["intrinsic"], run["clusters"]
    spread, held = run["std_inside"] ** 2, min(k, q)  # centroids fill min(k, q) directions, |c|^2 in all
    atoms = [(spread + run["centroid_norm"] ** 2 / held, held), (spread, q - held), (run["std_outside"] ** 2, d - q)]
    values, counts = zip(*[atom for atom in atoms if atom[1]], strict=True)
    problem = rf.ScoreProblem(run["n"] / d, run["p"] / d, run["t"], rf.Atoms(values, np.array(counts) / d))
    curves = rf.loss_curves(problem, run["tau"])
    return np.array([curves.train, curves.test])


def compared(run: dict[str, Any]) -> dict[str, Any]:
    """Their test loss, theirs with the energy of its one noise taken off, against ours and the theory."""
    drawn, limit = ours(run), theory(run)
    test = np.array(run["test"]) - (run["test"][0] - 1.0)
    mean, spread = drawn.mean(axis=0), drawn.std(axis=0, ddof=1)
    # One noise a point: the cross term of the loss has the variance 4 Delta |s|^2/d^2, and Delta E|s|^2/d = 1 - L.
    noise = 2 * np.sqrt(np.clip(1 - test, 0, None) / (run["d"] * THEIR_TEST_POINTS))
    late = np.array(run["tau"]) >= run["late_tau"][0]
    error = np.hypot(run["late_train_error"], spread[0][late].mean())
    return {
        "d": run["d"], "intrinsic": run["intrinsic"], "std_outside": run["std_outside"], "tau": run["tau"],
        "theirs": test.tolist(), "their_noise": noise.tolist(), "ours": mean[1].tolist(), "spread": spread[1].tolist(),
        "theory": limit[1].tolist(),
        "worst_in_errors": float(np.max(np.abs(test - mean[1])[1:] / np.hypot(noise, spread[1])[1:])),
        "worst": float(np.max(np.abs(test - mean[1]))), "worst_theory": float(np.max(np.abs(test - limit[1]))),
        "late_train": [run["late_train_mean"], float(mean[0][late].mean()), float(error)],
    }  # fmt: skip


def exponent(brackets: dict[str, list[float]], of_width: bool) -> tuple[float, float, float]:
    """(middle, lowest, highest) exponent in n, or in 1/W, over all choices inside the brackets' ends."""
    sizes = np.array([float(key) for key in brackets])
    ends = [x if isinstance(x, list) else [x, x] for x in brackets.values()]
    other = np.ones_like(sizes)

    def fitted(times: Any) -> float:
        if of_width:
            return fit_scaling(other, sizes, np.array(times, dtype=np.float64)).beta
        return fit_scaling(sizes, other, np.array(times, dtype=np.float64)).gamma

    corners = [fitted(corner) for corner in itertools.product(*ends)]
    return fitted([np.sqrt(low * high) for low, high in ends]), min(corners), max(corners)


def network_lines(readings: list[dict[str, Any]]) -> list[str]:
    """A sentence for every reading of other people's networks that has an exponent."""
    found = []
    for reading in readings:
        for key, name, of_width in LAWS:
            if key in reading:
                middle, low, high = exponent(reading[key], of_width)
                found.append(f"- {name}{middle:.2f} ({low:.2f} to {high:.2f}): {reading['what']} ({reading['source']})")
    return found


def picture(rows: list[dict[str, Any]]) -> Any:
    """Test losses of all runs."""
    with plotting.paper():
        figure, axes = plotting.panels(3, 4, width=7.0, height=1.7)
        for ax, row in itertools.zip_longest(axes.ravel(), rows):
            if row is None:
                ax.set_axis_off()
                continue
            tau, mine, spread = (np.array(row[key])[1:] for key in ("tau", "ours", "spread"))
            ax.errorbar(tau, row["theirs"][1:], row["their_noise"][1:], fmt="o", ms=2.5, lw=0.7, color=style.TEST)
            ax.fill_between(tau, mine - 2 * spread, mine + 2 * spread, color=style.TRAIN, alpha=0.3, lw=0)
            ax.plot(tau, mine, color=style.TRAIN)
            ax.plot(tau, row["theory"][1:], color="black", lw=0.8, ls="--")
            ax.set_title(f"d = {row['d']}, {row['intrinsic']} inside, outside {row['std_outside']}", fontsize=7)
            ax.set_xscale("log")
            ax.xaxis.set_minor_formatter(NullFormatter())
        figure.supxlabel("training time τ", fontsize=8)
        figure.suptitle("Test loss: published (dots), of five exact draws (blue), of the theory (dashed)", fontsize=8)
    return figure


def page(rows: list[dict[str, Any]], readings: dict[str, Any]) -> str:
    """The comparison in words."""
    lines = [
        "# Published runs of this model", "", f"Curves: {readings['rfnn']['source']}.", "",
        "Largest distance of their test loss to the mean of five exact draws, in units of its error (their one noise a "
        "test point, and the scatter of the draws), as a number, and to the theory; training loss late in training, "
        "theirs and ours.", "",
        "| d | inside | std outside | worst/error | worst | worst, theory | late train, theirs | ours |",
        "|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for row in rows:
        theirs, mine, error = row["late_train"]
        cells = [row["d"], row["intrinsic"], row["std_outside"], f"{row['worst_in_errors']:.1f}", f"{row['worst']:.4f}"]
        cells += [f"{row['worst_theory']:.4f}", f"{theirs:.4f}", f"{mine:.4f} ± {error:.4f}"]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    lines += ["", "## Readings of other people's networks", "", *network_lines(readings["networks"]), ""]
    return "\n".join(lines)


def main() -> None:
    """Compare and write."""
    readings = json.loads((HERE / "readings.json").read_text(encoding="utf-8"))
    rows = []
    for run in readings["rfnn"]["runs"]:
        rows.append(compared(run))
        print(f"d = {run['d']}, intrinsic {run['intrinsic']}, outside {run['std_outside']}: "
              f"{rows[-1]['worst_in_errors']:.1f} errors", flush=True)  # fmt: skip
    (HERE / "comparison.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    (HERE / "comparison.md").write_text(page(rows, readings), encoding="utf-8")
    picture(rows).savefig(HERE / "comparison.png", dpi=130)


if __name__ == "__main__":
    main()
