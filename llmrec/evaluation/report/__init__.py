"""Show results: a report with tables, plots, a page and a summary in words."""
