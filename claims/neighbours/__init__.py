"""Works around the paper, as far as the model with exactly averaged noise can test them."""
