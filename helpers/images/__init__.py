"""Image datasets as targets: read or drawn, learned by convolutional networks, scored and shown."""
