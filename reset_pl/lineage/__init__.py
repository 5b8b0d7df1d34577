"""The whole life of one curated example: its source, what was drawn, judged and chosen, and what tuned on it."""
