"""Files the library ships."""
