"""Runs as folders: spec, store, status of a process, requests to it, launchers. Only `worker` loads torch."""
