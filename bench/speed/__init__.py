"""Speed: what a call costs on top of a bare proxy of the same libraries, measured in turns on one machine."""
