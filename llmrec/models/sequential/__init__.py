"""Networks over sequences of items: GRU, LSTM, SASRec, BERT4Rec, over ids, texts or events."""
