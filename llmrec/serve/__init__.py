"""One run over HTTP: lists, reasons, predictions, users' events taken in. ``llmrec serve`` starts it."""
