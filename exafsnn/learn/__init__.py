"""The network learns the inverse: training pairs, features, members, calibration, model file."""
