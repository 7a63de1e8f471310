"""Runs of the companion module whose curves are kept in this repository."""
