"""Training of query encoder and index together: one loss a file."""
