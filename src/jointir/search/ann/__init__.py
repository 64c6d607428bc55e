"""Approximate nearest neighbour search by other libraries, all behind one contract."""
