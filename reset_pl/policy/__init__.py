"""The model that is tuned: loading it, its whole weights wherever they lie, and handing it to others."""
