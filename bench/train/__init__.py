"""Training: the one loop, the Lab that methods see, cost, checkpoints and evaluation."""
