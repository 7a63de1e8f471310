"""One folder per paper: claims.toml, and the checks behind its rows."""
