"""What a fit will take, before it begins: work, memory, disk and money."""
