"""The LLM recommender: a causal LLM, LoRA-tuned to score every catalog item after every history."""
