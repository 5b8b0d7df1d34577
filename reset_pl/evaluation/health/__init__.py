"""How the judges of a run did: what they said, how far they agree, what their scores follow that they should not."""
