"""Media: pictures by signed upload, checked and stripped before anyone sees them."""
