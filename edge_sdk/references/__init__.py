"""Reference texts of the product, in Korean and English: `assets/references/*.json`, checked."""
