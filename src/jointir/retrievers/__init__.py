"""Retrievers that JPQ is compared with: dual encoders trained in other ways, late interaction."""
