from __future__ import annotations

import module_that_is_not_installed  # noqa: F401
