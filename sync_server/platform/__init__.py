"""What the domains share: database, errors, tokens, limits, logs, metrics, object store."""
