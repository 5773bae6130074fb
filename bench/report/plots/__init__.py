"""The pictures of a report, a module each, and what they share."""
