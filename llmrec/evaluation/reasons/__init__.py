"""Judge generated reasons: faithfulness to the model, deletion test, text metrics."""
