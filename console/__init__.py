"""Where a person looks: the command line, and the pages."""
