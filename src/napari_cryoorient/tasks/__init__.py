"""One command each: files in, files out."""
