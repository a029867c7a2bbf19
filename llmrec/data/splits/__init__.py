"""Cut a dataset into what a model may see and what it must predict: strategies, names, leak guards."""
