"""Structures become training spectra: molecular dynamics, clusters, a site library."""
