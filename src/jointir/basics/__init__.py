"""What every room stands on: errors, files, numbers, progress, settings and the like."""
