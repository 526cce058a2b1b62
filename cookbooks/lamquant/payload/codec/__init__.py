"""Keeps names that scripts of users import; the codec itself is `cookbooks.lamquant.codec`."""
