"""The product end to end, in real processes."""
