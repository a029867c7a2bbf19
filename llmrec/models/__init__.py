"""Every recommender, behind one interface."""
