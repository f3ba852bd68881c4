"""The app's pieces: forms, charts and panels that the pages put in order. Nothing here loads torch."""
