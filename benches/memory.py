"""How much memory does training add over the data? Gradient boosting, 1,000,000 × 28, 100 trees, 31 leaves, 255 bins."""

import boosting_fit
from common import main

if __name__ == "__main__":
    main(__doc__, {name: getattr(boosting_fit, name) for name in ("quelea", "lightgbm", "xgboost")}, measure="added_mb")
