"""Work on a stack spread over processes, GPUs and machines: parts on disk, filled by Dask."""
