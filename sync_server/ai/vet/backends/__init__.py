"""Who answers the vet chat: the reviewed knowledge itself, or a model over it."""
