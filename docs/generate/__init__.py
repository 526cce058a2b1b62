"""What turns the code into Markdown: one module for each generated part of a page."""
