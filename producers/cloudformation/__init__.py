"""CloudFormation, for reading: which functions belong to which stack. SAM's commands ask this before they call one."""
