"""Where a run's numbers go: the local record (always), and remote trackers beside it. Never loads torch."""
