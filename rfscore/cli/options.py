"""The options of the commands, in the paper's words; one name, one meaning."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Features(StrEnum):
    """What a finite instance is made of."""

    exact = "exact"
    equivalent = "gaussian-equivalent"


PsiN = Annotated[float, typer.Option("--psi-n", help="n/d, training samples per dimension.")]
PsiP = Annotated[float, typer.Option("--psi-p", help="p/d, random features per dimension.")]
T = Annotated[float, typer.Option("--t", help="Diffusion time t; Delta_t = 1 - exp(-2t) is the variance of the noise.")]
Population = Annotated[
    str,
    typer.Option(
        "--population",
        help="What the data are drawn from: isotropic:1, atoms:0.5,1.5, atoms:0.5@0.3,1.5@0.7 (with fractions), "
        "powerlaw:1.0,256 (exponent, size), uniform:0.5,1.5, file:PATH (eigenvalues: an .npy, or a .txt or .csv "
        "with one number a line), mixture:0.3*isotropic:0.25+0.7*isotropic:2, or student:5,isotropic:1.",
    ),
]
Process = Annotated[
    str,
    typer.Option(
        "--process", help="How noise is added: ou (the paper), linear (flow matching), channel:0.7,0.3, module:object."
    ),
]
Target = Annotated[str, typer.Option("--target", help="What is regressed: score, noise, data, velocity or v.")]
Activation = Annotated[
    str,
    typer.Option(
        "--activation", help="sigma of the features: tanh, erf, sin, relu (centred), or your own as module:function."
    ),
]
NoiseDraws = Annotated[
    float,
    typer.Option("--noise-draws", help="m, noises drawn once per sample and kept; inf: averaged (the paper)."),
]
Ridge = Annotated[float, typer.Option("--ridge", help="Weight decay, added to every eigenvalue of U; 0 for none.")]
TauMin = Annotated[float | None, typer.Option("--tau-min", help="First training time [default: 0.02/Delta_t].")]
TauMax = Annotated[
    float | None,
    typer.Option("--tau-max", help="Last finite training time; 0 and infinity are added [default: 20 tau_last_edge]."),
]

Points = Annotated[int, typer.Option("--points", help="Number of training times, on a logarithmic grid.")]
Json = Annotated[bool, typer.Option("--json", help="JSON on stdout instead of table and picture.")]
Out = Annotated[Path | None, typer.Option("--out", help="Folder to write to [default: rfscore-output/COMMAND].")]
NoPlot = Annotated[bool, typer.Option("--no-plot", help="No picture; nothing is written unless --out is given.")]
Pdf = Annotated[bool, typer.Option("--pdf", help="The picture as PDF, too.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Accept a folder rfscore did not make; its files stay.")]
Dimension = Annotated[int, typer.Option("--d", help="Data dimension; n = psi_n d, p = psi_p d.")]
Kind = Annotated[Features, typer.Option("--features", help="Non-linear features, or their Gaussian equivalent.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of everything random.", min=0)]
Full = Annotated[
    bool,
    typer.Option(
        "--full", help="The paper's sizes: d = 100, psi_p = 64, psi_n = 4 ... 32; half an hour on two free cores."
    ),
]
Tiny = Annotated[bool, typer.Option("--tiny", help="Very small sizes, to try the installation.")]
Data = Annotated[
    str | None, typer.Option("--data", help="Real images: digits, an .npz, .npy, .zip or a folder [default: digits].")
]
Size = Annotated[int | None, typer.Option("--size", help="Resize the images to SIZE x SIZE pixels.")]
