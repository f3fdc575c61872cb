"""The road out: what a request passes between the pipeline and the vendor."""
