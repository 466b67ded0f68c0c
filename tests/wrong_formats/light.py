"""An implementation that imports nothing."""


class Reader:
    """Never opened."""
