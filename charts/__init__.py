"""What is installed beside the product, and what that is made from."""
