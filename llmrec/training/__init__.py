"""How every neural model here is trained: windows of histories, token-budget batches, one Trainer."""
