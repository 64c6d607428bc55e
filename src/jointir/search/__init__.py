"""Every index behind one small protocol: build, search, size, save, load."""
