"""A scan becomes χ(k): the only room that knows larch.

File → ``Table`` (``sources``, then the recognisers ``xdi``, ``athena``, ``spec``, ``photon_factory``, ``columns``; and
``nexus`` for HDF5) → ``Spectrum`` (``roles``, ``axis``, ``signals``, ``readers``) → findings and repairs (``quality``
with ``sampling``, ``detector``, ``glitches``, ``breaks``) → ``ChiK`` (``background``). ``batch`` does all of
it for a series of scans at once.
"""
