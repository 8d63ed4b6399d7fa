"""The account: profile, consents, export, erasure."""
