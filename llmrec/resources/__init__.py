"""Files that come with the package or from the package index: shipped folders, the cache, wheels."""
