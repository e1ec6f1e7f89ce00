"""The RDF becomes answers: N, R, σ², C₃ of a range."""
