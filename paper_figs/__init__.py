"""The figures of Bonnaire, Urfin, Biroli, Mezard (2025), rebuilt; `python -m paper_figs fig05 [--full]`."""
