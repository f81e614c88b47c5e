FROM gcr.io/Dev/etl:1
