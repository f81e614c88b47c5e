"""Totals per customer of an extract, written back to the warehouse. Private: on no package index.

python -m orders_report EXTRACT DAY, with the warehouse's connection string in WAREHOUSE.
"""

import json
import os
import sys

import pyodbc

from money import cents

TOTALS = "SELECT customer, sum(cents) FROM orders GROUP BY customer ORDER BY customer"


def main(extract, day):
    with pyodbc.connect(f"Driver=SQLite3;Database={extract}") as connection:
        totals = [(customer, int(total)) for customer, total in connection.execute(TOTALS)]
    with pyodbc.connect(os.environ["WAREHOUSE"]) as warehouse:
        warehouse.execute("DELETE FROM daily_totals WHERE day = ?", day)
        for customer, total in totals:
            warehouse.execute("INSERT INTO daily_totals VALUES (?, ?, ?)", day, customer, total)
    print(json.dumps({customer: cents(total) for customer, total in totals}))


if __name__ == "__main__":
    main(*sys.argv[1:])
