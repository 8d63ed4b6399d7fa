"""Signed bundles over the air: trust, the client that installs them, and going back."""

from edge_sdk.update.client import BundleUpdater, Installed, Offer, UpdateReport

__all__ = ["BundleUpdater", "Installed", "Offer", "UpdateReport"]
