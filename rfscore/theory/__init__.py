"""Infinite size: d, n and p go to infinity at fixed psi_n and psi_p; no random numbers here."""
