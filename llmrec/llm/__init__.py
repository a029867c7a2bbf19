"""The language model: where its weights come from, how histories are written for it, how it is read."""
