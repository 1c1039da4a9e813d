"""Numbers as JSON has them."""

import math
from typing import Any

import numpy as np


def plain(content: Any) -> Any:
    """The same content for JSON: eight digits, None for what is not a number."""
    if isinstance(content, dict):
        return {str(key): plain(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [plain(item) for item in content]
    if isinstance(content, float | np.floating):
        return float(f"{content:.8g}") if math.isfinite(content) else None
    return content
