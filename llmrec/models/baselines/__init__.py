"""Rules and factorizations: nothing here is trained by gradient."""
