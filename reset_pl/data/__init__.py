"""Sources → Example → prompt → tokens → batches."""
