"""Scans become χ(k): a quality gate, and AUTOBK with every parameter explicit. The only room that knows larch."""
