"""The maths of every score, once; torchmetrics wrappers over the same functions."""
