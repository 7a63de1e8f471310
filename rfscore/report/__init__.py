"""What a page and a number look like: shared by reproduce, validation and networks."""
