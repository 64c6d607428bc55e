"""The pipeline on a real Slurm. Skips where Slurm can neither run nor be installed."""
