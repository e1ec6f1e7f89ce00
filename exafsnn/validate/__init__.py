"""What a model is worth: simulated sessions of a beamline, and the error bars that come of them."""
