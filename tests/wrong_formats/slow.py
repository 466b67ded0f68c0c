"""An implementation that imports pandas."""

from __future__ import annotations

import pandas as pd

from wrong_formats.readers import Numbers as Right


class Numbers(Right):
    """The right one, and what it imports in vain."""

    missing = pd.NA
