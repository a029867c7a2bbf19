"""What a reason says, read as claims: phrases as data, the reading of them, and the check of each claim."""
