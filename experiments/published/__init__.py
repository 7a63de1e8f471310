"""Runs that others published, held against this package."""
