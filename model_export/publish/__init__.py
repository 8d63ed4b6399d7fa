"""Signing and publishing bundles over the air; the phone's side is `edge_sdk.update`."""
