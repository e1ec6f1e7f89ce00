"""The whole way, for many scans: read, measured, answered, one ``Outcome`` each."""
