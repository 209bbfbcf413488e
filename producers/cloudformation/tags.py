"""The tags by which CloudFormation marks what it has made. Source: CloudFormation User Guide, "Resource tag"."""

STACK = "aws:cloudformation:stack-name"
LOGICAL_ID = "aws:cloudformation:logical-id"
