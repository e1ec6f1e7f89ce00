"""The command line of exafsnn, installed as ``exafsnn_cli``: one file per command, all work done in ``exafsnn``."""
