"""A backbone and a head as one model, LoRA injection, and the count of what trains. Knows nothing of training."""
