"""Where payloads run: this machine now, behind a seam that a cluster's scheduler fits as well."""
