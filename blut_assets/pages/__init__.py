"""Makes what the UI shows of an asset: its description, its metadata, its curves."""
