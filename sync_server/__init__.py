"""The service: accounts, sync, walks, territory, rankings. One folder a domain."""
