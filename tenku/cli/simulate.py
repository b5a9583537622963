"""`tenku simulate`: clips with captions and truth, as training data."""


def simulate() -> None:
    """Simulate."""
