"""Networks that take raw stack images and give poses; all preprocessing happens inside them."""
