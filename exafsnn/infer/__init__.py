"""A measured χ(k) becomes an RDF: prediction, and the reference that fixes E₀ and S₀²."""
