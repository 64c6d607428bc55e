"""Runs, effectiveness, significance: every number of a report is computed here."""
