"""Serves llama.cpp: its kit, its library, and the files that it reads and writes."""
