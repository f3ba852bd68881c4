"""Tables of sequences on their way to batches: read, guess, check, split, save, encode. Only `batches` loads torch."""
