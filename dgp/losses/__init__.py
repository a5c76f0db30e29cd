"""Terms of the objective, and the objective that adds them up."""
