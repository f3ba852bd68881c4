"""Losses by task: predictions and targets of the rows or residues that count in, one value an item out."""
