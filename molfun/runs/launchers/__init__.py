"""How a run's worker is started and ended: one file a place where it may run."""
