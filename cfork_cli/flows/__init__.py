"""What the commands do, without a terminal: plan, then render."""
