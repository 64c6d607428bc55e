"""Sources, and the one on-disk format of corpus, queries and relevance judgements."""
