# Without a network: a base model in a folder, fitted, asked why, and searched.
llmrec data prepare events.csv --items items.csv --out data
llmrec fit smollm2-135m-soft --set backbone.base=base --set train.epochs=1 --data data --out run
llmrec items run film 03 --json > items.json
llmrec similar run --item 3 -k 3 --json > similar.json
llmrec recommend run --user 1 -k 2 --explain --json > reasons.json
