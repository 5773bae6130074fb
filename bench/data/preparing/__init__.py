"""Writing data sets of image files once, small and in few files."""
