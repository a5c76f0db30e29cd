"""Where the optimisation starts."""
