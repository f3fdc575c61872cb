"""What the MCP door costs beside the HTTP door, and what its lists of tools weigh."""
