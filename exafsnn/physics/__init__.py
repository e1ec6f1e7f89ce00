"""What EXAFS is, in torch: Fourier transforms, FEFF, scattering paths, RDF → χ(k)."""
