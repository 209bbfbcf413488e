"""CloudFormation, for reading: stacks and their functions."""
