"""Backbones behind one contract. `catalog` lists them without torch; `base` is the contract, then one file a family."""
