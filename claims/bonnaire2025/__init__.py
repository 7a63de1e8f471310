"""Bonnaire, Urfin, Biroli and Mezard 2025: the paper the package is about."""
