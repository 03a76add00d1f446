"""Analysis of run directories: reports, comparisons, figures. Imports no torch and builds no model."""
