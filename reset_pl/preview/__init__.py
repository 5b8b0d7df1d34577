"""What the model reads: prompts and targets as tokens, with the loss mask shown."""
