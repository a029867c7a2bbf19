"""What people answer besides choosing: tasks, counted features, binned event fields."""
