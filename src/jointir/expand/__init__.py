"""Document expansion: a generator of queries, what it writes for each document, and a filter."""
