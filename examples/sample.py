"""Makes the tables of the examples from the full ones: what is small is copied, of the rest every n-th row is taken.

usage: sample.py FOLDER      FOLDER holds adult.parquet, census_kdd_{train,test}.parquet,
                             nycflights13_{flights,weather}.parquet and diamonds.parquet
"""
import sys
from pathlib import Path

import pandas as pd

EXAMPLES = Path(__file__).parent


def write(table, name):
    table.reset_index(drop=True).to_parquet(EXAMPLES / name, compression="zstd", index=False)
    print(f"{name}: {len(table)} rows")


def flights(folder):
    rows = pd.read_parquet(folder / "nycflights13_flights.parquet")
    weather = pd.read_parquet(folder / "nycflights13_weather.parquet").drop_duplicates(["origin", "time_hour"])
    for table in (rows, weather):
        table["time_hour"] = pd.to_datetime(table["time_hour"], utc=True).astype("datetime64[us, UTC]")
    weather = weather[["origin", "time_hour", "temp", "humid", "wind_speed", "precip", "visib"]]
    rows.insert(0, "id", range(len(rows)))
    write(rows[::6], "flights/flights.parquet")
    write(weather, "flights/weather.parquet")
    # Rows that the sample above leaves out, joined as the job's query does it.
    write(rows[3::120].merge(weather, on=["origin", "time_hour"], how="left"), "flights/new.parquet")


def main():
    folder = Path(sys.argv[1])
    write(pd.read_parquet(folder / "adult.parquet"), "adult/adult.parquet")
    write(pd.read_parquet(folder / "diamonds.parquet"), "diamonds/diamonds.parquet")
    write(pd.read_parquet(folder / "census_kdd_train.parquet")[::5], "census/train.parquet")
    write(pd.read_parquet(folder / "census_kdd_test.parquet")[::5], "census/test.parquet")
    flights(folder)


if __name__ == "__main__":
    main()
