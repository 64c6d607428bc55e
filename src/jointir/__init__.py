"""Joint learning of retrieval and indexing: reproduce, compare and extend its research."""

__version__ = "0.1.0"
