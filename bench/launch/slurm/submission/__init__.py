"""What is submitted: which jobs share an allocation, the record of it, the code as it was, and what happened since."""
