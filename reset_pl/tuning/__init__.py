"""What is optimised: Lightning modules, loss and schedule."""
