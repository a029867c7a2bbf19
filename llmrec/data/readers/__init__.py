"""Read logs and catalogs from files, folders, databases and frames: a new format touches this folder alone."""
