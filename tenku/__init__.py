"""tenku: text, pictures and clips in, video out."""
