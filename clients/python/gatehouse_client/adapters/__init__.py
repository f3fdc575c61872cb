"""Actions as the tools of agent frameworks and model APIs. Each module needs the library that it is named after."""
