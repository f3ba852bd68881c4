"""Commands of the command line, one file a subject; heavy rooms are imported inside them, so help is quick."""
