"""What is studied, as values: no solver, no random numbers."""
