"""The small process that holds a payload, and what runs in it: nothing here imports more than it must."""
