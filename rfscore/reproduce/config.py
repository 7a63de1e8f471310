"""What a reproduction computes: sizes, seeds, diffusion times. Three presets."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class SpectrumCase:
    """Spectra of U; t is small, so that the bulks lie on different scales."""

    psi_n: tuple[float, ...]
    psi_p: float
    t: float
    d: int
    seeds: int


@dataclass(frozen=True)
class CurveCase:
    """Losses of several psi_n at one psi_p and t; every size is run again at d/2, to see how the difference shrinks.

    `split` is the psi_n whose loss is split by bulk.
    """

    psi_n: tuple[float, ...]
    psi_p: float
    t: float
    d: int
    seeds: int
    split: float


@dataclass(frozen=True)
class RealCase:
    """Real images: psi_n = psi_p/8, psi_p/4, psi_p/2; psi_p is lowered until p = psi_p d <= `max_p`."""

    source: str
    size: int | None
    psi_p: float
    max_p: int
    t: float
    seeds: int
    test: int


@dataclass(frozen=True)
class Plan:
    """All that decides the numbers, the seed included.

    `law_psi_p` are the psi_p at which the exponent of tau_half is followed over psi_n, by theory alone; `law_points`
    the number of psi_n; `points` that of training times.
    """

    name: str
    spectrum: SpectrumCase
    curves: CurveCase
    real: RealCase
    law_psi_p: tuple[float, ...]
    law_points: int
    points: int
    seed: int = 0

    def changed(self, *, seed: int, source: str | None, size: int | None) -> Plan:
        """The same plan with another seed or other images."""
        real = self.real if source is None else replace(self.real, source=source)
        return replace(self, seed=seed, real=real if size is None else replace(real, size=size))


PRESETS = {
    "default": Plan(
        "default",
        SpectrumCase(psi_n=(8.0,), psi_p=64.0, t=0.01, d=64, seeds=2),
        CurveCase(psi_n=(2.0, 4.0, 8.0, 16.0), psi_p=32.0, t=0.1, d=64, seeds=4, split=4.0),
        RealCase("digits", None, psi_p=16.0, max_p=2048, t=0.1, seeds=4, test=1000),
        law_psi_p=(32.0, 128.0, 512.0, 2048.0),
        law_points=13,
        points=121,
    ),
    "full": Plan(
        "full",
        SpectrumCase(psi_n=(8.0, 32.0), psi_p=64.0, t=0.01, d=100, seeds=2),
        CurveCase(psi_n=(4.0, 8.0, 16.0, 32.0), psi_p=64.0, t=0.1, d=100, seeds=3, split=8.0),
        RealCase("digits", None, psi_p=32.0, max_p=2048, t=0.1, seeds=6, test=700),
        law_psi_p=(64.0, 256.0, 1024.0, 4096.0),
        law_points=25,
        points=161,
    ),
    "tiny": Plan(
        "tiny",
        SpectrumCase(psi_n=(2.0,), psi_p=8.0, t=0.05, d=24, seeds=2),
        CurveCase(psi_n=(1.0, 2.0, 4.0), psi_p=8.0, t=0.1, d=16, seeds=3, split=2.0),
        RealCase("digits", None, psi_p=8.0, max_p=512, t=0.1, seeds=2, test=300),
        law_psi_p=(8.0, 64.0),
        law_points=5,
        points=61,
    ),
}
