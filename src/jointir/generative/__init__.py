"""Generative retrieval: documents are found by decoding their identifiers (ASI, ASI++)."""
