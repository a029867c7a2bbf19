"""What a log goes through between a file and a dataset: columns, ids, times, behaviors, filters."""
