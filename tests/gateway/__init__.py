"""The gateway against botocore: what its clients write must be read, what it writes must be read by them."""
