"""The observed state of one environment, and pure functions of it. Features and the controller use them."""
