"""Tables and figures, drawn from the tidy results table alone."""
