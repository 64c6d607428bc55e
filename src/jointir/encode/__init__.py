"""The dual encoder: tokenization, STAR training, and embedding a corpus into a memory map."""
