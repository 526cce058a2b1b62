"""What only reads history: plans, failures and their reasons, leaderboards, and which bytes must stay."""
