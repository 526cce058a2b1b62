"""Reads what people have marked in recordings: inside EDF+ files, and in lists beside them."""
