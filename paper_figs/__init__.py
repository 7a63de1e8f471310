"""The figures of Bonnaire, Urfin, Biroli, Mezard (2025), rebuilt; `python -m paper_figs fig05 [--full]`."""

import os

os.environ["MPLBACKEND"] = "agg"  # files alone are drawn; a backend inherited from a notebook need not exist here
