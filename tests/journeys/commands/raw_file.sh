# From a raw file to a report, and everybody's recommendations in Parquet.
llmrec data prepare events.csv --items items.csv --out data/shop
llmrec fit rules --data data/shop --out runs/rules
llmrec evaluate runs/rules --data data/shop --out report
llmrec recommend runs/rules --all -k 5 --out recs.parquet
