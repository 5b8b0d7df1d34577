"""The miniature world: made-up data and tiny models, so that all of it runs offline."""
