"""From data to bundles: generated dogs, datasets, training, comparison, export and parity."""
