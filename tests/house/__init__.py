"""The house itself: which room imports which, what nobody calls, and that each room has its tests."""
