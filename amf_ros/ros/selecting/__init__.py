"""What task_selector is made of: what it knows, how it thinks, and what it answers before it can."""
