"""What the vet chat knows: our own entries and imported documents."""
