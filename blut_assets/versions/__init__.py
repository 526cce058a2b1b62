"""Code versions and fingerprints: from source to a digest that names and places are no part of."""
