"""What a connector costs a gateway that does not use it, and one that does."""
