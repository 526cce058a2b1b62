"""Makes code versions and fingerprints: from source to a digest that names and places have no part in."""
