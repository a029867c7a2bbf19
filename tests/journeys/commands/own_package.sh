# A recommender, a metric and a file format of another package, which is installed beside llmrec.
python prepare.py
llmrec fit next-item.yaml --set options.weight=2 --data data --out run
llmrec recommend run --user ann --json > recs.json
python judge.py
