"""learngene-bench: compares ways to initialize Vision Transformers of any depth and width."""

__version__ = "0.1.0"

# Raise when the meaning of training or a default changes: every identity depends on it.
ENGINE = 2
