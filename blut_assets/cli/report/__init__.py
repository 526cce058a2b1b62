"""Tells of one run to somebody who has no Blut: what is known of it, as a page, on paper."""
