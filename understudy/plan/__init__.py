"""From decision to deed: steps, the applier, events, and the journal that explains them."""
