"""What the column `tune` says of a learning rate that was chosen."""

import json


def edge(tune: str) -> str:
    """Return `lowest` or `highest` where the rate that was chosen is the outermost that was tried, else nothing.

    tune: JSON with the rate as `lr` and the scores of those that were tried as `val_top1`.
    """
    try:
        choice = json.loads(tune)
        rate, rates = float(choice["lr"]), [float(tried) for tried in choice["val_top1"]]
    except (ValueError, TypeError, KeyError):  # of a version that says it otherwise
        return ""
    return "lowest" if rate <= min(rates) else "highest" if rate >= max(rates) else ""
