"""Makes `clicks.parquet`: advertisements shown, and whether they were clicked on. Everything in it is made up."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROWS = 12_000
WORDS = ["news", "sports", "games", "music", "travel", "food", "cars", "books", "health", "garden", "films", "money"]


def main():
    random = np.random.default_rng(7)
    site = (random.pareto(1.1, ROWS) * 3).astype(np.int64) % 3_000
    device = random.integers(0, 400, ROWS) * 7_919 + 1_000_003
    words = [random.choice(len(WORDS), random.integers(0, 4), replace=False) for _ in range(ROWS)]
    hour = random.integers(0, 24, ROWS)
    of_site, of_device, of_word = random.normal(0, 1.2, 3_000), random.normal(0, 0.7, 400), random.normal(0, 0.9, len(WORDS))
    score = of_site[site] + of_device[(device - 1_000_003) // 7_919] + np.array([of_word[w].sum() for w in words]) - 1.0
    clicked = random.random(ROWS) < 1 / (1 + np.exp(-score - 0.4 * np.sin(hour / 24 * 2 * np.pi)))
    table = pa.table(
        {
            "site": [None if i % 97 == 5 else f"site-{s}.example" for i, s in enumerate(site)],
            "device": device,
            "words": [[WORDS[w] for w in chosen] for chosen in words],
            "hour": hour.astype(np.int32),
            "clicked": clicked,
        }
    )
    pq.write_table(table, Path(__file__).parent / "clicks.parquet", compression="zstd")


if __name__ == "__main__":
    main()
