"""Where the quantities of a series jump, how surely, over what width."""
