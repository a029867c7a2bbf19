# A recommender, a metric and a file format of another package, which is installed beside llmrec.
llmrec data prepare log.triples --time-format seconds --out data
llmrec fit next-item.yaml --set options.weight=2 --data data --out run
llmrec recommend run --user ann --json > recs.json
llmrec evaluate run --data data --out report
