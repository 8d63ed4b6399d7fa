"""Model bundles: what they say of themselves, loading, checking, golden vectors."""
