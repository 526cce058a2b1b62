"""What the shell and the terminal get: completion, the catalogue that it is made from, colours."""
