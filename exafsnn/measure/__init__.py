"""A scan becomes χ(k): the only room that knows larch.

File → ``Table`` (``sources``, ``columns``, ``athena``) → ``Spectrum`` (``roles``, ``axis``, ``readers``) → findings
(``quality``) → ``ChiK`` (``background``).
"""
