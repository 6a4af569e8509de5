"""What people click: thin Qt widgets over the session."""
